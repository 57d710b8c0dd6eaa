/** What the enrolment page says while it runs, in English; the texts that always stand there are in its template. */

const CALL = "Call the help desk named below.";

export const PASSWORD = {
  empty: "",
  incomplete: ({ count }) => `${25 - count} characters to go (${count} of 25).`,
  badCharacter: ({ character }) => `“${character}” is in no password.`,
  tooLong: () => "This is longer than 25 characters. Paste the password alone.",
  wrongCheck: () => "There is a typing error. Please check it (no attempt was used).",
  complete: () => "All 25 characters are there.",
};
export const PASSWORD_NEEDED = "Type all 25 characters of the password.";
export const WRONG_PASSWORD = (left) =>
  "The password is wrong. Is it the one for the same CN as the URL?" +
  (left === undefined ? "" : ` ${left} more and the URL is locked.`);
export const WAIT = "Please wait…";
export const URL_BROKEN = "This is not a one-time URL. Copy it from the mail once more, from “https://” to its end.";
export const PASSPHRASE_SHORT = (least) => `Choose at least ${least} characters.`;
export const PASSPHRASE_LETTERS = "Use letters, digits and signs of a Latin keyboard only.";
export const PASSPHRASES_DIFFER = "The two fields differ.";
export const COPIED = "Copied.";
export const SELECTED = "Selected. Press Ctrl+C (on a Mac ⌘C) to copy.";
export const FRIENDLY_NAME = (cn, end) => `${cn} (until ${end})`;

/** What each refusal is called, what happened, and what to do. */
export const REFUSALS = {
  locked: {
    title: "The URL is locked",
    what: "This URL was locked after too many wrong passwords.",
    remedy: `It must be unlocked. ${CALL}`,
  },
  expired: {
    title: "The URL has expired",
    what: "The time for this URL is over.",
    remedy: `You can have a fresh URL and password. ${CALL}`,
  },
  used: {
    title: "The URL has been used",
    what: "The certificate of this URL has been fetched already. One URL yields one certificate.",
    remedy:
      "If it is on this PC already, there is nothing to do. If it was fetched on another PC by mistake, the " +
      "administrator files a DCM904. If it was none of you, somebody else may have it: call the help desk named " +
      "below at once.",
  },
  replaced: {
    title: "The URL is no longer valid",
    what: "You were sent a newer URL, or the application was withdrawn.",
    remedy: `Use URL and password of the newest mails. If there are none: ${CALL}`,
  },
  suspended: {
    title: "The certificate is suspended",
    what: "This certificate is suspended or being revoked, and cannot be fetched.",
    remedy: CALL,
  },
  unauthorized: {
    title: "Nothing can be fetched with this URL",
    what: "This URL is not known, or its certificate cannot be fetched now.",
    remedy: `Copy the URL whole from the mail and open it again. If that does not help: ${CALL}`,
  },
  rateLimited: {
    title: "Please wait a moment",
    what: "There were many attempts in a short time, so that no more are taken for now.",
    remedy: (minutes) => `Wait ${minutes} minute(s) and press “Try again”.`,
  },
  serverInternal: {
    title: "This is not possible just now",
    what: "The server is busy or out of order for the moment.",
    remedy: `Wait a little and press “Try again”. If it goes on: ${CALL}`,
  },
  unreachable: {
    title: "The server cannot be reached",
    what: "The connection broke.",
    remedy: `Check the network and press “Try again”. If it goes on: ${CALL}`,
  },
  elsewhere: {
    title: "This is another address",
    what: "The page was opened under another address than that of the mail.",
    remedy: "Open the URL just as it stands in the mail.",
  },
  stillProcessing: {
    title: "It takes its time",
    what: "The certificate is still being issued.",
    remedy: `In some minutes press “Try again”, or open the same URL again. If it goes on: ${CALL}`,
  },
  tooEarly: {
    title: "It is too early to renew",
    what: "The time to renew this certificate has not come.",
    remedy: `Open the same URL again nearer to its end. If it is urgent: ${CALL}`,
  },
  lapsed: {
    title: "The time to renew is over",
    what: "The certificate ended too long ago to be renewed.",
    remedy: `A new certificate is needed: the administrator files a DCM904 or DCM902. If in doubt: ${CALL}`,
  },
  alreadyReplaced: {
    title: "It has been renewed already",
    what: "This certificate has been renewed, by itself or in another way.",
    remedy: `If you cannot find the renewed certificate: ${CALL}`,
  },
  foreignCertificate: {
    title: "The certificate cannot be trusted",
    what: "The certificate that came is not for this key or not for this CN.",
    remedy: `Do not use it. ${CALL}`,
  },
  unknown: {
    title: "It did not work",
    what: "Something unforeseen happened.",
    remedy: `Press “Try again”. If it goes on: ${CALL}`,
  },
};

export const REPORT = {
  time: "Time",
  reason: "Reason",
  answer: "Answer of the server",
  request: "Request id",
  step: "Step",
  cn: "CN",
  institution: "Institution",
  browser: "Browser",
  os: "OS",
  none: "(none)",
};
export const STEPS = {
  resume: "opening the page",
  bind: "typing the password",
  obtain: "getting the certificate",
  save: "saving the file",
};
