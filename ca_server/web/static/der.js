/**
 * DER, the one way to write each value (X.690 §10, §11): what requests and PKCS#12 files need, and a strict reader
 * for certificates. A value is its encoded bytes from the start, so that building is nesting calls. Tags are one byte.
 */

const SEQUENCE = 0x30;
const SET = 0x31;
const CONSTRUCTED = 0x20;
const CONTEXT = 0x80;

/** Says that bytes are not DER, or not of the shape that was asked for. */
export class BadDer extends Error {
  name = "BadDer";
}

/**
 * Joins byte strings.
 * @param {...Uint8Array} parts
 * @returns {Uint8Array}
 */
export function concat(...parts) {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/**
 * Writes one element: tag, length in its shortest form (X.690 §10.1), contents.
 * @param {number} tag
 * @param {...Uint8Array} contents
 * @returns {Uint8Array}
 */
export function tlv(tag, ...contents) {
  const content = concat(...contents);
  const { length } = content;
  const header = length < 0x80 ? [length] : [CONTEXT | octetsOf(length).length, ...octetsOf(length)];
  return concat(Uint8Array.of(tag, ...header), content);
}

/**
 * Writes a SEQUENCE of encoded elements.
 * @param {...Uint8Array} elements
 * @returns {Uint8Array}
 */
export function sequence(...elements) {
  return tlv(SEQUENCE, ...elements);
}

/**
 * Writes a SET OF encoded elements, in the order of their bytes (X.690 §11.6).
 * @param {...Uint8Array} elements
 * @returns {Uint8Array}
 */
export function setOf(...elements) {
  return tlv(SET, ...elements.sort(compare));
}

/**
 * Writes a non-negative INTEGER: a number, or the big-endian bytes of one of any size.
 * @param {number | Uint8Array} value
 * @returns {Uint8Array}
 */
export function integer(value) {
  const octets = typeof value === "number" ? octetsOf(value) : value;
  const first = octets.findIndex((octet) => octet !== 0);
  const shortest = first < 0 ? [0] : octets.slice(first);
  const sign = shortest[0] < 0x80 ? [] : [0];
  return tlv(0x02, Uint8Array.from([...sign, ...shortest]));
}

/**
 * Writes an OBJECT IDENTIFIER given in dotted numbers (X.690 §8.19).
 * @param {string} dotted
 * @returns {Uint8Array}
 */
export function oid(dotted) {
  const [first, second, ...rest] = dotted.split(".").map(Number);
  return tlv(0x06, Uint8Array.from([40 * first + second, ...rest].flatMap(base128)));
}

/**
 * Writes NULL.
 * @returns {Uint8Array}
 */
export function nul() {
  return tlv(0x05);
}

/**
 * Writes a BOOLEAN (X.690 §11.1).
 * @param {boolean} value
 * @returns {Uint8Array}
 */
export function boolean(value) {
  return tlv(0x01, Uint8Array.of(value ? 0xff : 0x00));
}

/**
 * Writes an OCTET STRING.
 * @param {Uint8Array} bytes
 * @returns {Uint8Array}
 */
export function octetString(bytes) {
  return tlv(0x04, bytes);
}

/**
 * Writes a BIT STRING of whole bytes.
 * @param {Uint8Array} bytes
 * @returns {Uint8Array}
 */
export function bitString(bytes) {
  return tlv(0x03, Uint8Array.of(0), bytes);
}

/**
 * Writes a UTF8String.
 * @param {string} text
 * @returns {Uint8Array}
 */
export function utf8String(text) {
  return tlv(0x0c, new TextEncoder().encode(text));
}

/**
 * Writes a BMPString; what lies outside the basic plane becomes two surrogates, as OpenSSL writes it.
 * @param {string} text
 * @returns {Uint8Array}
 */
export function bmpString(text) {
  return tlv(0x1e, utf16(text));
}

/**
 * Returns the big-endian UTF-16 of a text.
 * @param {string} text
 * @returns {Uint8Array}
 */
export function utf16(text) {
  const units = Array.from({ length: text.length }, (_, place) => text.charCodeAt(place));
  return Uint8Array.from(units.flatMap((unit) => [unit >> 8, unit & 0xff]));
}

/**
 * Puts encoded elements under the context tag [number] EXPLICIT.
 * @param {number} number
 * @param {...Uint8Array} elements
 * @returns {Uint8Array}
 */
export function explicit(number, ...elements) {
  return tlv(CONTEXT | CONSTRUCTED | number, ...elements);
}

/**
 * Replaces the tag of an encoded element by [number] IMPLICIT.
 * @param {number} number
 * @param {Uint8Array} element
 * @returns {Uint8Array}
 */
export function implicit(number, element) {
  return concat(Uint8Array.of(CONTEXT | (element[0] & CONSTRUCTED) | number), element.subarray(1));
}

/**
 * Writes the Ecdsa-Sig-Value (RFC 3279 §2.2.3) of what WebCrypto signs: r and s, each of the curve's full length.
 * @param {Uint8Array} signature
 * @returns {Uint8Array}
 */
export function ecdsaSignature(signature) {
  const half = signature.length / 2;
  return sequence(integer(signature.subarray(0, half)), integer(signature.subarray(half)));
}

/**
 * One element that was read: its tag, its contents, and all its bytes.
 * @typedef {{tag: number, content: Uint8Array, der: Uint8Array}} Element
 */

/**
 * Reads bytes that are exactly one element; throws BadDer.
 * @param {Uint8Array} bytes
 * @returns {Element}
 */
export function read(bytes) {
  const elements = readAll(bytes);
  if (elements.length !== 1) {
    throw new BadDer("There is not exactly one element.");
  }
  return elements[0];
}

/**
 * Reads the elements of a SEQUENCE, a SET or an explicit tag; throws BadDer, also when `element` is none of the sort.
 * @param {Element | undefined} element
 * @param {number} tag
 * @returns {Element[]}
 */
export function children(element, tag = SEQUENCE) {
  return readAll(content(element, tag));
}

/**
 * Returns the contents of an element; throws BadDer when it is missing or has not this tag.
 * @param {Element | undefined} element
 * @param {number} tag
 * @returns {Uint8Array}
 */
export function content(element, tag) {
  if (element?.tag !== tag) {
    throw new BadDer("An element is missing or is of another type.");
  }
  return element.content;
}

function readAll(bytes) {
  const elements = [];
  for (let offset = 0; offset < bytes.length; ) {
    const element = readAt(bytes, offset);
    elements.push(element);
    offset += element.der.length;
  }
  return elements;
}

function readAt(bytes, offset) {
  const tag = bytes[offset];
  const { length, start } = lengthAt(bytes, offset + 1);
  const end = start + length;
  if ((tag & 0x1f) === 0x1f || end > bytes.length) {
    throw new BadDer("A tag has more than one byte, or an element ends after its container.");
  }
  return { tag, content: bytes.subarray(start, end), der: bytes.subarray(offset, end) };
}

/** Reads a definite length in its shortest form, at most 2^32 (X.690 §10.1). */
function lengthAt(bytes, offset) {
  const first = bytes[offset];
  if (first < 0x80) {
    return { length: first, start: offset + 1 };
  }
  const start = offset + 1 + (first & 0x7f);
  const octets = bytes.subarray(offset + 1, start);
  const length = octets.reduce((value, octet) => value * 0x100 + octet, 0);
  if (!(first <= 0x84) || start > bytes.length || length < 0x80 || octets[0] === 0) {
    throw new BadDer("A length is indefinite, too long or not in its shortest form.");
  }
  return { length, start };
}

function octetsOf(number) {
  const octets = [];
  for (let rest = number; rest > 0; rest = Math.floor(rest / 0x100)) {
    octets.unshift(rest % 0x100);
  }
  return octets;
}

function base128(number) {
  const digits = [number % 0x80];
  for (let rest = Math.floor(number / 0x80); rest > 0; rest = Math.floor(rest / 0x80)) {
    digits.unshift(0x80 | rest % 0x80);
  }
  return digits;
}

function compare(one, other) {
  const place = one.findIndex((octet, index) => octet !== other[index]);
  return place < 0 ? one.length - other.length : one[place] - (other[place] ?? -1);
}
