/**
 * base64url without padding, read strictly (RFC 4648 §5, RFC 7515 §2): one text for each value, no other accepted.
 */

/**
 * Returns `bytes` as base64url without padding.
 * @param {Uint8Array} bytes
 * @returns {string}
 */
export function encode(bytes) {
  const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/**
 * Returns the bytes that `text` stands for; throws SyntaxError for padding, foreign letters, blanks, a length that
 * cannot be and stray bits in the last letter.
 * @param {string} text
 * @returns {Uint8Array}
 */
export function decode(text) {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) {
    throw notCanonical();
  }
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  if (encode(bytes) !== text) {
    throw notCanonical();
  }
  return bytes;
}

function notCanonical() {
  return new SyntaxError("This is not canonical base64url without padding.");
}
