/**
 * The enrolment page: what a person types and presses, and what is shown for it. What is done is in `enrolment.js`.
 *
 * Opening the page asks the server nothing: mail scanners run scripts, too. The first request is the person's, unless
 * this browser has begun with the same URL before.
 */

import { Refused } from "./acme.js";
import * as base64url from "./base64url.js";
import { judge, kidOfUrl, macKey, normaliseKid, normalisePassword } from "./credential.js";
import { Enrolment, Over, isEnded } from "./enrolment.js";
import { isLasting } from "./keeping.js";
import { Elsewhere, refuse } from "./refusal.js";
import { copied, machine } from "./report.js";
import { WrongPassword } from "./sealing.js";
import { element, hint, show, tell, tellKind } from "./steps.js";

const LEAST_PASSPHRASE = 8;
const TYPED_EVERYWHERE = /^[\x20-\x7e]*$/; // dialogs for passwords turn Japanese input off, and Java reads no other
const SECONDS_OF_A_DOWNLOAD = 60;

const language = document.documentElement.lang;
const words = await import(`./words.${language}.js`);
const directory = document.querySelector("meta[name=directory]").content;
const locale = language === "ja" ? "ja-JP" : "en-GB";
const days = new Intl.DateTimeFormat(locale, { dateStyle: "long", timeZone: "Asia/Tokyo" });
const isoDays = new Intl.DateTimeFormat("sv-SE", { timeZone: "Asia/Tokyo" });

let enrolment = null;
let again = null;

await start();

async function start() {
  wire();
  if (!isSecureContext || !globalThis.crypto?.subtle) return show("insecure");
  const kid = kidInAddress();
  if (kid === null) return show("url", true);
  if (new URL(directory).origin !== location.origin) return refuse(words, new Elsewhere(), "resume");
  enrolment = new Enrolment(directory, kid);
  element("warifu-command").textContent = `warifu enroll ${location.origin}/e/${kid}`;
  element("eab-directory").textContent = directory;
  await attempt("resume", resume);
}

/** Return the kid in the page's address, or null where there is none or a broken one. */
function kidInAddress() {
  const [, last = ""] = location.pathname.split("/e/");
  if (last === "") return null;
  try {
    return normaliseKid(decodeURIComponent(last).replace(/\/$/, ""));
  } catch {
    element("url-broken").hidden = false;
    return null;
  }
}

/** Show where an earlier tab was: what was begun wants the password again, for the keys are sealed by it. */
async function resume() {
  await enrolment.look();
  if (enrolment.record?.done) return showDone();
  element("resumed").hidden = enrolment.record === null;
  element("mobile").hidden = !/iPhone|iPad|Android/.test(navigator.userAgent);
  return show("password", true);
}

async function bind() {
  hint("password-hint", words.WAIT);
  const password = normalisePassword(element("password-field").value);
  const kind = document.querySelector("input[name=kind]:checked").value;
  const { browser, os } = await machine();
  await enrolment.open(password, kind, { hostName: "", os, store: "browser", agent: browser });
  forgetWhatWasTyped();
  return goOn();
}

/** Show the step that what is kept calls for. */
function goOn() {
  const { record } = enrolment;
  if (record.done) return showDone();
  const { seat } = record;
  tell({ cn: seat.commonName, institution: seat.institutionName });
  tellKind(seat.renewal);
  if (record.chain) return showCertificate();
  return record.order ? obtain() : show("confirm");
}

async function obtain() {
  show("working");
  await enrolment.obtain();
  return showCertificate();
}

async function decline() {
  return (await enrolment.decline()) ? show("declined") : goOn();
}

async function save() {
  hint("passphrase-hint", words.WAIT);
  const { commonName, notAfter } = enrolment.certificate();
  const passphrase = element("passphrase").value;
  const file = await enrolment.file(passphrase, words.FRIENDLY_NAME(commonName, isoDays.format(notAfter)));
  const name = fileName(commonName, notAfter);
  download(file, name);
  tell({ file: name });
  forgetWhatWasTyped();
  show("import");
}

async function finish() {
  await enrolment.finish();
  showDone();
}

function showCertificate() {
  const { commonName, notAfter } = enrolment.certificate();
  tell({ end: days.format(notAfter), file: `${commonName}_….p12` });
  element("passing").hidden = isLasting();
  show(enrolment.record.saved ? "import" : "save");
}

function showDone() {
  const { commonName, notAfter, renewal } = enrolment.record.done;
  tell({ cn: commonName, end: days.format(notAfter) });
  tellKind(renewal);
  show("done");
}

/** Return a name that tells the old file from the new one, and one saving from the next. */
function fileName(commonName, notAfter) {
  const now = new Date().toTimeString().slice(0, 5).replace(":", "");
  return `${commonName}_${isoDays.format(notAfter).replaceAll("-", "")}-${now}.p12`;
}

function download(bytes, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([bytes], { type: "application/x-pkcs12" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000 * SECONDS_OF_A_DOWNLOAD);
}

/** Empty the fields that hold a secret, and the values for other clients. */
function forgetWhatWasTyped() {
  for (const id of ["password-form", "passphrase-form"]) element(id).reset();
  for (const id of ["password-hint", "passphrase-hint", "eab-hint"]) hint(id, "");
  for (const id of ["eab-kid", "eab-key"]) element(id).textContent = "";
  element("eab").hidden = true;
  showPassphrases(false);
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
  for (const id of ["password-hint", "passphrase-hint"]) hint(id, "");
  const isWrong = error instanceof WrongPassword || (error instanceof Refused && error.reason === "wrongPassword");
  if (isWrong) {
    hint("password-hint", words.WRONG_PASSWORD(error.triesLeft), "wrong");
    return element("password-field").focus();
  }
  if (error instanceof Over) return location.reload();
  if (isEnded(error)) {
    element("ended").hidden = false;
    return show("password");
  }
  again = step === "bind" ? () => show("password") : () => attempt(step, act);
  return refuse(words, error, step, enrolment.record?.seat);
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
    location.assign(`/e/${kidOfUrl(unwrapped(element("url-field").value))}?language=${language}`);
  } catch {
    hint("url-hint", words.URL_BROKEN, "wrong");
    element("url-field").focus();
  }
}

/** Return the URL in a link that a mail filter has put its own address before. */
function unwrapped(text) {
  const [, inner] = /[?&]url=(https%3a[^&\s]+)/i.exec(text) ?? [];
  return inner === undefined ? text : decodeURIComponent(inner);
}

function askedToBind() {
  if (judgePassword()) return attempt("bind", bind);
  const { state } = judge(element("password-field").value);
  if (state === "empty" || state === "incomplete") hint("password-hint", words.PASSWORD_NEEDED, "wrong");
  return element("password-field").focus();
}

function askedToSave() {
  const fault = faultOf(...["passphrase", "passphrase-again"].map((id) => element(id).value));
  if (fault === null) return attempt("save", save);
  hint("passphrase-hint", fault, "wrong");
  return element("passphrase").focus();
}

/** Return what is wrong with an import password typed twice, or null. */
function faultOf(first, second) {
  if (!TYPED_EVERYWHERE.test(first)) return words.PASSPHRASE_LETTERS;
  if (first.trim().length < LEAST_PASSPHRASE) return words.PASSPHRASE_SHORT(LEAST_PASSPHRASE);
  return first === second ? null : words.PASSPHRASES_DIFFER;
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
    const { chain, saved } = enrolment?.record ?? {};
    if (chain && !(saved && isLasting())) event.preventDefault();
  });
}
