/**
 * The PKCS#12 file (RFC 7292) in which key and certificates go from the page into the PC's certificate store.
 *
 * It has the form that OpenSSL 3 writes, which every current reader takes: first the certificates, encrypted, then the
 * shrouded key, both by PBES2 with PBKDF2-HMAC-SHA256 and AES-256-CBC (RFC 8018 §6.2), and over both a MAC by
 * HMAC-SHA256 (RFC 7292 §4). Salts have 16 bytes, for GnuTLS cannot read 64.
 *
 * PBES2 takes the passphrase as UTF-8, the MAC as UTF-16 with a closing zero (RFC 7292 §B.1). It is brought to NFC
 * before, as RFC 8265 §4.2.2 has it: that is what keyboards type where the file will be imported, also where the page
 * was given a text in parts, か and ゛, as macOS keeps it.
 */

import {
  bmpString, concat, explicit, implicit, integer, nul, octetString, oid, sequence, setOf, utf16,
} from "./der.js";

const DATA = oid("1.2.840.113549.1.7.1");
const ENCRYPTED_DATA = oid("1.2.840.113549.1.7.6");
const SHROUDED_KEY_BAG = oid("1.2.840.113549.1.12.10.1.2");
const CERTIFICATE_BAG = oid("1.2.840.113549.1.12.10.1.3");
const X509_CERTIFICATE = oid("1.2.840.113549.1.9.22.1");
const FRIENDLY_NAME = oid("1.2.840.113549.1.9.20");
const LOCAL_KEY_ID = oid("1.2.840.113549.1.9.21");
const MICROSOFT_CSP_NAME = oid("1.3.6.1.4.1.311.17.1");
const PBES2 = oid("1.2.840.113549.1.5.13");
const PBKDF2 = oid("1.2.840.113549.1.5.12");
const AES_256_CBC = oid("2.16.840.1.101.3.4.1.42");
const HMAC_SHA256 = sequence(oid("1.2.840.113549.2.9"), nul());
const SHA256 = sequence(oid("2.16.840.1.101.3.4.2.1"), nul());

/** Asks Windows to keep the key in CNG, RSA too; the older providers cannot sign as TLS 1.3 wants. */
const KEY_PROVIDER = "Microsoft Software Key Storage Provider";

const VERSION = 3;
const SALT_LENGTH = 16;
const HASH_BLOCK = 64;
const MAC_KEY = 3;

/** The rounds of PBKDF2 and of the MAC's derivation; tests take fewer. */
const ROUNDS = Object.freeze({ encryption: 200_000, mac: 10_000 });

const utf8 = new TextEncoder();

/**
 * What goes into the file: the key (PKCS#8 in DER), the chain (DER, the key's own certificate first), the name under
 * which stores show it, and the passphrase that opens it.
 * @typedef {object} Contents
 * @property {Uint8Array} privateKey
 * @property {Uint8Array[]} chain
 * @property {string} name
 * @property {string} passphrase
 */

/**
 * Makes the file; throws RangeError for an empty passphrase, which readers take in different ways.
 * @param {Contents} contents
 * @param {{encryption: number, mac: number}} rounds
 * @returns {Promise<Uint8Array>}
 */
export async function pkcs12({ privateKey, chain, name, passphrase }, rounds = ROUNDS) {
  if (passphrase === "") {
    throw new RangeError("The passphrase is empty.");
  }
  const typed = passphrase.normalize("NFC");
  const [certificate, ...issuers] = chain;
  const own = [await localKeyId(certificate), friendlyName(name)];
  const certificates = sequence(certificateBag(certificate, own), ...issuers.map((issuer) => certificateBag(issuer)));
  const keys = sequence(bag(SHROUDED_KEY_BAG, await shrouded(privateKey, typed, rounds), [...own, keyProvider()]));
  const safe = sequence(await encryptedData(certificates, typed, rounds), data(keys));
  return sequence(integer(VERSION), data(safe), await macData(safe, typed, rounds));
}

/** ContentInfo of type data (RFC 7292 §4). */
function data(content) {
  return sequence(DATA, explicit(0, octetString(content)));
}

/** ContentInfo of type encryptedData (RFC 2315 §13). */
async function encryptedData(content, passphrase, rounds) {
  const { algorithm, ciphertext } = await encrypt(content, passphrase, rounds);
  const encrypted = sequence(DATA, algorithm, implicit(0, octetString(ciphertext)));
  return sequence(ENCRYPTED_DATA, explicit(0, sequence(integer(0), encrypted)));
}

/** EncryptedPrivateKeyInfo (RFC 5958 §3). */
async function shrouded(privateKey, passphrase, rounds) {
  const { algorithm, ciphertext } = await encrypt(privateKey, passphrase, rounds);
  return sequence(algorithm, octetString(ciphertext));
}

/** SafeBag (RFC 7292 §4.2); no attributes are no empty set. */
function bag(type, value, attributes = []) {
  return sequence(type, explicit(0, value), ...(attributes.length > 0 ? [setOf(...attributes)] : []));
}

function certificateBag(certificate, attributes) {
  return bag(CERTIFICATE_BAG, sequence(X509_CERTIFICATE, explicit(0, octetString(certificate))), attributes);
}

/** The same bytes at the key and at its certificate bind the two (RFC 2985 §5.5.2). */
async function localKeyId(certificate) {
  const digest = await crypto.subtle.digest("SHA-256", certificate);
  return sequence(LOCAL_KEY_ID, setOf(octetString(new Uint8Array(digest))));
}

function friendlyName(name) {
  return sequence(FRIENDLY_NAME, setOf(bmpString(name)));
}

function keyProvider() {
  return sequence(MICROSOFT_CSP_NAME, setOf(bmpString(KEY_PROVIDER)));
}

/** PBES2 (RFC 8018 §6.2, §A.2, §A.4) with a salt of its own. */
async function encrypt(content, passphrase, { encryption: iterations }) {
  const salt = crypto.getRandomValues(new Uint8Array(SALT_LENGTH));
  const iv = crypto.getRandomValues(new Uint8Array(16));
  const material = await crypto.subtle.importKey("raw", utf8.encode(passphrase), "PBKDF2", false, ["deriveKey"]);
  const derivation = { name: "PBKDF2", hash: "SHA-256", salt, iterations };
  const aes = { name: "AES-CBC", length: 256 };
  const key = await crypto.subtle.deriveKey(derivation, material, aes, false, ["encrypt"]);
  const pbkdf2 = sequence(PBKDF2, sequence(octetString(salt), integer(iterations), HMAC_SHA256));
  return {
    algorithm: sequence(PBES2, sequence(pbkdf2, sequence(AES_256_CBC, octetString(iv)))),
    ciphertext: new Uint8Array(await crypto.subtle.encrypt({ name: "AES-CBC", iv }, key, content)),
  };
}

async function macData(safe, passphrase, { mac: rounds }) {
  const salt = crypto.getRandomValues(new Uint8Array(SALT_LENGTH));
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", await macKey(passphrase, salt, rounds), hmac, false, ["sign"]);
  const mac = new Uint8Array(await crypto.subtle.sign("HMAC", key, safe));
  return sequence(sequence(SHA256, octetString(mac)), octetString(salt), integer(rounds));
}

/** RFC 7292 §B.2; one hash is as long as the key, so its loop over blocks runs once. */
async function macKey(passphrase, salt, rounds) {
  const diversifier = new Uint8Array(HASH_BLOCK).fill(MAC_KEY);
  let key = concat(diversifier, filled(salt), filled(utf16(`${passphrase}\0`)));
  for (let round = 0; round < rounds; round++) {
    key = await crypto.subtle.digest("SHA-256", key);
  }
  return key;
}

/** Repeats bytes until they fill whole blocks of the hash. */
function filled(bytes) {
  const length = Math.ceil(bytes.length / HASH_BLOCK) * HASH_BLOCK;
  return Uint8Array.from({ length }, (_, place) => bytes[place % bytes.length]);
}
