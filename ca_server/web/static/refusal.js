/**
 * Shows a refusal: what it is called, what happened, what to do, and what to tell the help desk.
 */

import { Refused, Unreachable } from "./acme.js";
import { ForeignCertificate, StillProcessing } from "./enrolment.js";
import { machine, moment, report } from "./report.js";
import { element, show } from "./steps.js";

const WORTH_TRYING_AGAIN = ["rateLimited", "serverInternal", "unreachable", "stillProcessing", "unknown"];
const SECONDS_TO_WAIT = 60;

/** The page was opened under another address than the mail names, from where the server may not be asked (CSP). */
export class Elsewhere extends Error {
  name = "Elsewhere";
}

/** Show the refusal that an error stands for; `step` is what the person was doing, `seat` whose certificate it is. */
export async function refuse(words, error, step, seat) {
  const kind = kindOf(words, error);
  const { title, what, remedy } = words.REFUSALS[kind];
  const minutes = Math.ceil((error.retryAfter || SECONDS_TO_WAIT) / 60);
  element("refused-title").textContent = title;
  element("refused-what").textContent = what;
  element("refused-remedy").textContent = typeof remedy === "function" ? remedy(minutes) : remedy;
  element("again").hidden = !WORTH_TRYING_AGAIN.includes(kind);
  element("copied").textContent = "";
  const facts = {
    time: moment(new Date()),
    reason: title,
    answer: error instanceof Refused ? `${error.status} ${error.type} ${error.message}` : error.name,
    request: error.requestId,
    step: words.STEPS[step],
    cn: seat?.commonName,
    institution: seat?.institutionName,
    ...(await machine()),
  };
  element("report").textContent = report(words, facts);
  show("refused");
}

/** Return by which word of the table a person is told of an error. */
function kindOf(words, error) {
  if (error instanceof Unreachable) return "unreachable";
  if (error instanceof ForeignCertificate) return "foreignCertificate";
  if (error instanceof StillProcessing) return "stillProcessing";
  if (error instanceof Elsewhere) return "elsewhere";
  if (!(error instanceof Refused)) return "unknown";
  if (error.status >= 500) return "serverInternal";
  return [error.reason, error.type].find((word) => Object.hasOwn(words.REFUSALS, word)) ?? "unknown";
}
