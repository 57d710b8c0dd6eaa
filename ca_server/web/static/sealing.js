/**
 * Seals the keys that wait in the browser: AES-256-GCM under a key made of both halves (HKDF, RFC 5869).
 *
 * A browser's database leaves traces on the disk, and a PC may be shared: without the password, of 120 random bits,
 * neither what is kept nor what is left of it is of any use. Whoever opens the page again types the password again.
 */

import { KINDS } from "./keys.js";

const utf8 = new TextEncoder();
const PURPOSE = utf8.encode("warifu enrolment page: keys that wait");
const NONCE_LENGTH = 12;

/** The password is not the one under which the keys were sealed. */
export class WrongPassword extends Error {
  name = "WrongPassword";
}

/**
 * Returns the key that seals, of a normalised kid and password.
 * @param {string} kid
 * @param {string} password
 * @returns {Promise<CryptoKey>}
 */
export async function sealingKey(kid, password) {
  const secret = await crypto.subtle.importKey("raw", utf8.encode(password), "HKDF", false, ["deriveKey"]);
  const derivation = { name: "HKDF", hash: "SHA-256", salt: utf8.encode(kid), info: PURPOSE };
  return crypto.subtle.deriveKey(derivation, secret, { name: "AES-GCM", length: 256 }, false, ["wrapKey", "unwrapKey"]);
}

/**
 * Seals a key pair of that kind.
 * @param {CryptoKeyPair} pair
 * @param {keyof typeof KINDS} kind
 * @param {CryptoKey} key
 */
export async function seal(pair, kind, key) {
  const iv = crypto.getRandomValues(new Uint8Array(NONCE_LENGTH));
  const sealed = await crypto.subtle.wrapKey("pkcs8", pair.privateKey, key, { name: "AES-GCM", iv });
  return { kind, publicKey: pair.publicKey, iv, sealed: new Uint8Array(sealed) };
}

/**
 * Opens a sealed key pair; throws WrongPassword. What need not be exported again cannot be.
 * @param {Awaited<ReturnType<typeof seal>>} sealed
 * @param {CryptoKey} key
 * @param {boolean} extractable
 * @returns {Promise<CryptoKeyPair>}
 */
export async function open({ kind, publicKey, iv, sealed }, key, extractable) {
  const how = { name: "AES-GCM", iv };
  const { generation } = KINDS[kind];
  try {
    const privateKey = await crypto.subtle.unwrapKey("pkcs8", sealed, key, how, generation, extractable, ["sign"]);
    return { publicKey, privateKey };
  } catch {
    throw new WrongPassword();
  }
}
