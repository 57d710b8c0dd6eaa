/**
 * The two halves of a one-time credential and the MAC key that they make together, by the rules of the server's
 * `protocol/credential.py` to the letter; a test holds both to each other.
 *
 * The kid travels in the URL, the password in another mail. Both are Crockford's base32, forgiven what people and
 * word processors do to them: wide letters, blanks, line breaks, dashes, lower case, O for 0, I or L for 1. The
 * password ends in a check character (Luhn mod 32), so that a typing error costs no attempt. No message repeats a half.
 */

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const KID_LENGTH = 26;
const PASSWORD_LENGTH = 25;
const LONGEST_INPUT = 1000;
const READ_AS = { O: "0", I: "1", L: "1" };

/**
 * Blanks, line breaks and separators as Python's `isspace` counts them, and the invisible marks (byte order, zero
 * width, soft hyphen) that documents carry along.
 */
const NOISE = /[\s\x1c-\x1f\x85\p{Cf}]/gu;

/** Dashes, with MINUS SIGN and the long-vowel mark that a Japanese keyboard types for a hyphen. */
const DASHES = /[\p{Pd}\u2212\u30fc]/gu;

/** A URL after NFKC, without its noise, and its path; a host in brackets is an IPv6 address. */
const WEB_ADDRESS = /^[\0-\x20]*https?:\/\/(?:[^/?#[\]]+|\[[\da-f:.]+\](?::\d*)?)(\/[^?#]*)/i;
const PATH = "/e/";

/** Says that a text cannot be such a half of a credential: `code` tells why, for the page to say in words. */
export class BadCredential extends Error {
  name = "BadCredential";

  /** @param {"tooLong" | "badCharacter" | "wrongLength" | "wrongCheck" | "notUrl"} code */
  constructor(code) {
    super(`This is no half of a credential: ${code}.`);
    this.code = code;
  }
}

/**
 * What can be said of a password while it is being typed; `count` is the number of characters that count, `character`
 * the first that no credential has.
 * @typedef {object} Judgement
 * @property {"empty" | "incomplete" | "badCharacter" | "tooLong" | "wrongCheck" | "complete"} state
 * @property {number} count
 * @property {string} [character]
 */

/**
 * Returns the kid that was meant by `text`; throws BadCredential.
 * @param {string} text
 * @returns {string}
 */
export function normaliseKid(text) {
  const kid = normalise(text);
  if (kid.length !== KID_LENGTH) {
    throw new BadCredential("wrongLength");
  }
  return kid;
}

/**
 * Returns the password that was meant by `text`, 25 characters without hyphens; throws BadCredential.
 * @param {string} text
 * @returns {string}
 */
export function normalisePassword(text) {
  const password = normalise(text);
  if (password.length !== PASSWORD_LENGTH) {
    throw new BadCredential("wrongLength");
  }
  if (!isChecked(password)) {
    throw new BadCredential("wrongCheck");
  }
  return password;
}

/**
 * Returns the password as people read it, five groups of five joined by hyphens; throws BadCredential.
 * @param {string} password
 * @returns {string}
 */
export function grouped(password) {
  return normalisePassword(password).match(/.{5}/g).join("-");
}

/**
 * Judges a password that is perhaps not yet complete, and never throws.
 * @param {string} text
 * @returns {Judgement}
 */
export function judge(text) {
  const characters = meant(text);
  const half = characters.map(readAs).join("");
  const character = characters.find((each) => !isAllowed(readAs(each)));
  const judgement = { state: stateOf(half, text), count: [...half].length };
  return character === undefined ? judgement : { ...judgement, state: "badCharacter", character };
}

function stateOf(half, text) {
  if (half.length > PASSWORD_LENGTH || isTooLong(text)) {
    return "tooLong";
  }
  if (half.length < PASSWORD_LENGTH) {
    return half === "" ? "empty" : "incomplete";
  }
  return isChecked(half) ? "complete" : "wrongCheck";
}

/**
 * Returns the kid in a one-time URL as it was pasted: blanks, line breaks and angle brackets do no harm; throws
 * BadCredential when it is no such URL.
 * @param {string} text
 * @returns {string}
 */
export function kidOfUrl(text) {
  const url = text.normalize("NFKC").replace(NOISE, "").replace(/^[<>"']+|[<>"']+$/g, "");
  const [, path = ""] = WEB_ADDRESS.exec(url) ?? [];
  const mark = path.lastIndexOf(PATH);
  if (mark < 0) {
    throw new BadCredential("notUrl");
  }
  return normaliseKid(path.slice(mark + PATH.length).replace(/\/+$/, ""));
}

/**
 * Derives the 32 bytes that sign the external account binding: HMAC-SHA256(kid, password) over their ASCII; throws
 * BadCredential.
 * @param {string} kid
 * @param {string} password
 * @returns {Promise<Uint8Array>}
 */
export async function macKey(kid, password) {
  const ascii = new TextEncoder();
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", ascii.encode(normaliseKid(kid)), hmac, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, ascii.encode(normalisePassword(password))));
}

function normalise(text) {
  if (isTooLong(text)) {
    throw new BadCredential("tooLong");
  }
  const half = meant(text).map(readAs).join("");
  if (!isAllowed(half)) {
    throw new BadCredential("badCharacter");
  }
  return half;
}

/** Counts code points, as the server does. */
function isTooLong(text) {
  return [...text].length > LONGEST_INPUT;
}

/** Returns the characters that count, as they were typed but for their width (NFKC). */
function meant(text) {
  return [...text.normalize("NFKC").replace(NOISE, "").replace(DASHES, "")];
}

/** Reads one character as it was meant; in upper case it may be two. */
function readAs(character) {
  return character.toUpperCase().replace(/[OIL]/g, (letter) => READ_AS[letter]);
}

function isAllowed(characters) {
  return [...characters].every((character) => ALPHABET.includes(character));
}

/** Tells whether the last character is the Luhn mod 32 check of the others, the rightmost of which is doubled first. */
function isChecked(password) {
  const size = ALPHABET.length;
  const addends = [...password].reverse().map((character, place) => ALPHABET.indexOf(character) * (1 + (place % 2)));
  return addends.reduce((total, addend) => total + Math.floor(addend / size) + (addend % size), 0) % size === 0;
}
