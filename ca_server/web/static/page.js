/**
 * The enrolment page: what a person types and presses, and what is shown for it. What is done is in `enrolment.js`.
 *
 * Opening the page asks the server nothing: mail scanners run scripts, too. The first request is the person's, unless
 * this browser has begun with the same URL before.
 */

import { ForeignCertificate, Enrolment, isTakenOver } from "./enrolment.js";
import { Refused, Unreachable } from "./acme.js";
import * as base64url from "./base64url.js";
import { judge, kidOfUrl, macKey, normaliseKid, normalisePassword } from "./credential.js";
import { isLasting } from "./keeping.js";
import { copied, machine, moment, report } from "./report.js";
import { element, hint, show, tell, tellKind } from "./steps.js";

const LEAST_PASSPHRASE = 8;
const TYPED_EVERYWHERE = /^[\x20-\x7e]*$/; // dialogs for passwords turn Japanese input off, and Java reads no other
const WORTH_TRYING_AGAIN = ["rateLimited", "serverInternal", "unreachable", "unknown"];
const SECONDS_OF_A_DOWNLOAD = 60;

const language = document.documentElement.lang;
const words = await import(`./words.${language}.js`);
const directory = document.querySelector("meta[name=directory]").content;
const locale = language === "ja" ? "ja-JP" : "en-GB";
const days = new Intl.DateTimeFormat(locale, { dateStyle: "long", timeZone: "Asia/Tokyo" });
const isoDays = new Intl.DateTimeFormat("sv-SE", { timeZone: "Asia/Tokyo" });

/** The page was opened under another address than the mail names, from where the server may not be asked (CSP). */
class Elsewhere extends Error {}

let enrolment = null;
let again = null;

await start();

async function start() {
  wire();
  if (!isSecureContext || !globalThis.crypto?.subtle) return show("insecure");
  const kid = kidInAddress();
  if (kid === null) return show("url", true);
  if (new URL(directory).origin !== location.origin) return refuse("resume", new Elsewhere());
  enrolment = new Enrolment(directory, kid);
  element("warifu-command").textContent = `warifu enroll ${location.origin}/e/${kid}`;
  element("eab-directory").textContent = directory;
  await attempt("resume", resume);
}

/** Return the kid in the page's address, or null where there is none or a broken one. */
function kidInAddress() {
  const last = decodeURIComponent(location.pathname.split("/e/")[1] ?? "");
  if (last === "") return null;
  try {
    return normaliseKid(last);
  } catch {
    element("url-broken").hidden = false;
    return null;
  }
}

/** Go on where an earlier tab was, or begin. */
async function resume() {
  if (!(await enrolment.resume())) return show("password", true);
  const { record } = enrolment;
  tellSeat();
  if (record.chain) return showCertificate();
  return record.agreed ? obtain() : show("confirm");
}

async function bind() {
  const password = normalisePassword(element("password-field").value);
  const kind = document.querySelector("input[name=kind]:checked").value;
  const { browser, os } = await machine();
  await enrolment.bind(password, kind, { hostName: "", os, store: "browser", agent: browser });
  element("password-form").reset();
  hint("password-hint", "");
  tellSeat();
  show("confirm");
}

async function obtain() {
  show("working");
  await enrolment.agree();
  await enrolment.obtain();
  showCertificate();
}

async function decline() {
  await enrolment.forget();
  show("declined");
}

async function save() {
  const { commonName, notAfter } = enrolment.certificate();
  const name = words.FRIENDLY_NAME(commonName, isoDays.format(notAfter));
  const file = await enrolment.file(element("passphrase").value, name);
  download(file, fileName());
  await enrolment.saved();
  element("passphrase-form").reset();
  showPassphrases(false);
  show("import");
}

async function finish() {
  await enrolment.forget();
  show("done");
}

function tellSeat() {
  const { seat } = enrolment.record;
  tell({ cn: seat.commonName, institution: seat.institutionName });
  tellKind(seat.renewal);
}

function showCertificate() {
  tell({ end: days.format(enrolment.certificate().notAfter), file: fileName() });
  element("passing").hidden = isLasting();
  show(enrolment.record.saved ? "import" : "save");
}

function fileName() {
  return `${enrolment.certificate().commonName}.p12`;
}

function download(bytes, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([bytes], { type: "application/x-pkcs12" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000 * SECONDS_OF_A_DOWNLOAD);
}

/** Do what a person asked for, once at a time, and say what came in between. */
async function attempt(step, act) {
  const buttons = [...document.querySelectorAll("main button")];
  for (const button of buttons) button.disabled = true;
  try {
    await act();
  } catch (error) {
    await answerTo(step, act, error);
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

async function answerTo(step, act, error) {
  if (error instanceof Refused && error.reason === "wrongPassword") {
    hint("password-hint", words.WRONG_PASSWORD(error.triesLeft), "wrong");
    return element("password-field").focus();
  }
  if (isTakenOver(error) && enrolment.record?.account) {
    await enrolment.startOver();
    element("taken-over").hidden = false;
    return show("password");
  }
  again = step === "bind" ? () => show("password") : () => attempt(step, act);
  return refuse(step, error);
}

async function refuse(step, error) {
  const kind = kindOf(error);
  const { title, what, remedy } = words.REFUSALS[kind];
  element("refused-title").textContent = title;
  element("refused-what").textContent = what;
  element("refused-remedy").textContent = remedy;
  element("again").hidden = !WORTH_TRYING_AGAIN.includes(kind);
  element("copied").textContent = "";
  const { browser, os } = await machine();
  const answer = error instanceof Refused ? `${error.status} ${error.type} ${error.message}` : error.name;
  const facts = { time: moment(new Date()), reason: title, answer, request: error.requestId, step: words.STEPS[step] };
  element("report").textContent = report(words, { ...facts, cn: enrolment?.record?.seat?.commonName, browser, os });
  show("refused");
}

/** Return by which word of the tables a person is told of an error. */
function kindOf(error) {
  if (error instanceof Unreachable) return "unreachable";
  if (error instanceof ForeignCertificate) return "foreignCertificate";
  if (error instanceof Elsewhere) return "elsewhere";
  if (!(error instanceof Refused)) return "unknown";
  if (error.status >= 500) return "serverInternal";
  return [error.reason, error.type].find((word) => word in words.REFUSALS) ?? "unknown";
}

function showPassphrases(visible) {
  element("passphrase-show").checked = visible;
  for (const id of ["passphrase", "passphrase-again"]) element(id).type = visible ? "text" : "password";
}

function judgePassword() {
  const verdict = judge(element("password-field").value);
  const isWrong = ["badCharacter", "tooLong", "wrongCheck"].includes(verdict.state);
  const state = isWrong ? "wrong" : verdict.state === "complete" ? "right" : "";
  const text = words.PASSWORD[verdict.state];
  hint("password-hint", typeof text === "function" ? text(verdict) : text, state);
  return verdict.state === "complete";
}

function askedForUrl() {
  try {
    location.assign(`/e/${kidOfUrl(element("url-field").value)}?language=${language}`);
  } catch {
    hint("url-hint", words.URL_BROKEN, "wrong");
    element("url-field").focus();
  }
}

function askedToBind() {
  if (judgePassword()) return attempt("bind", bind);
  const { state } = judge(element("password-field").value);
  if (state === "empty" || state === "incomplete") hint("password-hint", words.PASSWORD_NEEDED, "wrong");
  return element("password-field").focus();
}

function askedToSave() {
  const [first, second] = ["passphrase", "passphrase-again"].map((id) => element(id).value);
  if (!TYPED_EVERYWHERE.test(first)) hint("passphrase-hint", words.PASSPHRASE_LETTERS, "wrong");
  else if (first.length < LEAST_PASSPHRASE) hint("passphrase-hint", words.PASSPHRASE_SHORT(LEAST_PASSPHRASE), "wrong");
  else if (first !== second) hint("passphrase-hint", words.PASSPHRASES_DIFFER, "wrong");
  else return attempt("save", save);
  return element("passphrase").focus();
}

async function askedForValues() {
  if (!judgePassword()) {
    element("eab").hidden = true;
    return hint("eab-hint", words.PASSWORD_NEEDED);
  }
  const { kid } = enrolment;
  const password = normalisePassword(element("password-field").value);
  element("eab-kid").textContent = kid;
  element("eab-key").textContent = base64url.encode(await macKey(kid, password));
  element("eab").hidden = false;
  return hint("eab-hint", "");
}

function choosePlatform(platform) {
  for (const place of document.querySelectorAll("div[data-platform]")) {
    place.hidden = place.dataset.platform !== platform;
  }
}

function likelyPlatform() {
  if (navigator.userAgent.includes("Firefox")) return "firefox";
  return navigator.userAgent.includes("Mac OS") ? "mac" : "windows";
}

function wire() {
  const forms = { "url-form": askedForUrl, "password-form": askedToBind, "passphrase-form": askedToSave };
  for (const [id, act] of Object.entries(forms)) {
    element(id).addEventListener("submit", (event) => {
      event.preventDefault();
      act();
    });
  }
  const presses = {
    agree: () => attempt("obtain", obtain),
    decline: () => attempt("obtain", decline),
    imported: () => attempt("save", finish),
    "save-again": () => show("save"),
    again: () => again?.(),
    copy: async () => {
      element("copied").textContent = (await copied(element("report"))) ? words.COPIED : words.SELECTED;
    },
    "eab-show": askedForValues,
  };
  for (const [id, act] of Object.entries(presses)) element(id).addEventListener("click", act);
  element("password-field").addEventListener("input", judgePassword);
  element("passphrase-show").addEventListener("change", (event) => showPassphrases(event.target.checked));
  for (const choice of document.querySelectorAll("input[name=platform]")) {
    choice.addEventListener("change", () => choosePlatform(choice.value));
    choice.checked = choice.value === likelyPlatform();
  }
  choosePlatform(likelyPlatform());
  addEventListener("beforeunload", (event) => {
    if (!isLasting() && enrolment?.record?.chain) event.preventDefault();
  });
}
