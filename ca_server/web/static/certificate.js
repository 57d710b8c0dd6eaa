/**
 * Reads what the page shows of a certificate, and the chain that ACME hands out (RFC 5280 §4.1, RFC 8555 §9.1).
 *
 * No signature is verified here: the chain comes from the CA's own address, and who relies on it verifies it.
 */

import { decode } from "./base64url.js";
import * as der from "./der.js";

const INTEGER = 0x02;
const OBJECT_IDENTIFIER = 0x06;
const UTF8_STRING = 0x0c;
const PRINTABLE_STRING = 0x13;
const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;
const SEQUENCE = 0x30;
const SET = 0x31;
const VERSION = 0xa0;

const COMMON_NAME = der.oid("2.5.4.3");
const ORGANIZATIONAL_UNIT = der.oid("2.5.4.11");

const BLOCK = /-----BEGIN CERTIFICATE-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END CERTIFICATE-----(?:\r?\n)*/g;

/** Says that a text is no chain of certificates, or bytes no certificate. */
export class BadCertificate extends Error {
  name = "BadCertificate";
}

/**
 * What the page needs of a certificate: the serial number in lower-case hex without leading zeros, two parts of the
 * subject where they stand, the first and the last second, and the SubjectPublicKeyInfo in DER.
 * @typedef {object} Certificate
 * @property {string} serial
 * @property {string | undefined} commonName
 * @property {string | undefined} organizationalUnit
 * @property {Date} notBefore
 * @property {Date} notAfter
 * @property {Uint8Array} spki
 */

/**
 * Returns the certificates of a PEM chain (RFC 7468 §5) in DER, leaf first; throws BadCertificate when there is none,
 * or anything besides.
 * @param {string} pem
 * @returns {Uint8Array[]}
 */
export function chainOf(pem) {
  const blocks = [...pem.matchAll(BLOCK)];
  if (blocks.length === 0 || blocks.map(([block]) => block).join("") !== pem) {
    throw new BadCertificate("The text is not a chain of certificates in PEM.");
  }
  return blocks.map(([, body]) => refusing(() => der.read(fromBase64(body.replace(/\r?\n/g, ""))).der));
}

/**
 * Reads one certificate; throws BadCertificate, and nothing else, whatever the bytes.
 * @param {Uint8Array} bytes
 * @returns {Certificate}
 */
export function read(bytes) {
  return refusing(() => {
    const [toBeSigned] = der.children(der.read(bytes));
    const fields = der.children(toBeSigned);
    const [serial, , , validity, subject, spki] = fields[0]?.tag === VERSION ? fields.slice(1) : fields;
    const times = der.children(validity).map(time);
    if (times.length !== 2) {
      throw new der.BadDer("The validity is not two times.");
    }
    const [notBefore, notAfter] = times;
    der.content(spki, SEQUENCE);
    return { serial: hex(serial), ...nameOf(subject), notBefore, notAfter, spki: spki.der };
  });
}

/** Makes whatever reading raises the one refusal. */
function refusing(reading) {
  try {
    return reading();
  } catch (error) {
    throw new BadCertificate(`This is not a certificate: ${error.message}`);
  }
}

function fromBase64(text) {
  if (text.length % 4 !== 0) {
    throw new SyntaxError("The base64 is not whole.");
  }
  return decode(text.replaceAll("+", "-").replaceAll("/", "_").replace(/={0,2}$/, ""));
}

function hex(element) {
  const octets = der.content(element, INTEGER);
  if (!(octets[0] < 0x80) || (octets.length > 1 && octets[0] === 0 && octets[1] < 0x80)) {
    throw new der.BadDer("The serial number is negative or not in its shortest form.");
  }
  return BigInt(`0x${Array.from(octets, (octet) => octet.toString(16).padStart(2, "0")).join("")}`).toString(16);
}

function nameOf(subject) {
  const attributes = der.children(subject).flatMap((relative) => der.children(relative, SET)).map(attribute);
  const valueOf = (type) => {
    const [value, another] = attributes.filter((each) => isEqual(each.type, type)).map((each) => string(each.value));
    if (another !== undefined) {
      throw new der.BadDer("A part of the name stands twice.");
    }
    return value;
  };
  return { commonName: valueOf(COMMON_NAME), organizationalUnit: valueOf(ORGANIZATIONAL_UNIT) };
}

function attribute(element) {
  const [type, value] = der.children(element);
  der.content(type, OBJECT_IDENTIFIER);
  return { type: type.der, value };
}

/** Reads the two string types that RFC 5280 §4.1.2.4 leaves to names. */
function string(element) {
  if (element?.tag !== PRINTABLE_STRING) {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(der.content(element, UTF8_STRING));
  }
  const text = ascii(element.content);
  if (!/^[A-Za-z0-9 '()+,\-./:=?]*$/.test(text)) {
    throw new der.BadDer("A letter is none of PrintableString.");
  }
  return text;
}

/** Reads both forms of a time, in seconds and Zulu time; the two digits of UTCTime end in 2049 (RFC 5280 §4.1.2.5). */
function time(element) {
  const isShort = element.tag === UTC_TIME;
  const text = ascii(der.content(element, isShort ? UTC_TIME : GENERALIZED_TIME));
  const whole = isShort ? (text < "5" ? "20" : "19") + text : text;
  const iso = whole.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6.000Z");
  const date = new Date(iso);
  if (Number.isNaN(date.getTime()) || date.toISOString() !== iso) {
    throw new der.BadDer("A time is not one.");
  }
  return date;
}

function ascii(octets) {
  return String.fromCharCode(...octets);
}

function isEqual(one, other) {
  return one.length === other.length && one.every((octet, place) => octet === other[place]);
}
