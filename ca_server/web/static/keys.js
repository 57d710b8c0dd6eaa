/**
 * The keys that the page makes with WebCrypto: one for the certificate, one for the ACME account.
 */

import { ecdsaSignature, nul, oid, sequence } from "./der.js";

/**
 * What is to be known of a kind of key: WebCrypto's parameters to make one and to sign with it, the identifier of that
 * signature in X.509 (RFC 5758 §3.2, RFC 4055 §5), and the signature's own form there.
 * @typedef {object} KeyKind
 * @property {EcKeyGenParams | RsaHashedKeyGenParams} generation
 * @property {EcdsaParams | Algorithm} signing
 * @property {Uint8Array} signatureAlgorithm
 * @property {(signature: Uint8Array) => Uint8Array} x509Signature
 */

const ES256 = Object.freeze({ name: "ECDSA", hash: "SHA-256" });
const RS256 = Object.freeze({ name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" });

/**
 * The kinds that a certificate's key may be of; the first is the default.
 * @type {Readonly<Record<"P-256" | "RSA-3072", KeyKind>>}
 */
export const KINDS = Object.freeze({
  "P-256": {
    generation: { name: "ECDSA", namedCurve: "P-256" },
    signing: ES256,
    signatureAlgorithm: sequence(oid("1.2.840.10045.4.3.2")),
    x509Signature: ecdsaSignature,
  },
  "RSA-3072": {
    generation: { ...RS256, modulusLength: 3072, publicExponent: Uint8Array.of(1, 0, 1) },
    signing: RS256,
    signatureAlgorithm: sequence(oid("1.2.840.113549.1.1.11"), nul()),
    x509Signature: (signature) => signature,
  },
});

/**
 * Makes the key of the certificate; it can be exported, for the PKCS#12 file is made of it.
 * @param {keyof typeof KINDS} kind
 * @returns {Promise<CryptoKeyPair>}
 */
export async function generateCertificateKey(kind) {
  return crypto.subtle.generateKey(KINDS[kind].generation, true, ["sign", "verify"]);
}

/**
 * Makes the key of the account, P-256 for ES256; it is exported once, into its seal (sealing.js), and comes out of that
 * as a key that cannot be.
 * @returns {Promise<CryptoKeyPair>}
 */
export async function generateAccountKey() {
  return crypto.subtle.generateKey(KINDS["P-256"].generation, true, ["sign", "verify"]);
}

/**
 * Returns the row of the table that a key belongs to.
 * @param {CryptoKey} key
 * @returns {KeyKind}
 */
export function kindOf(key) {
  return KINDS[key.algorithm.namedCurve ?? `RSA-${key.algorithm.modulusLength}`];
}

/**
 * Signs with the algorithm of the key's row, in WebCrypto's form: for ECDSA r and s side by side, as JWS has it too.
 * @param {CryptoKey} privateKey
 * @param {Uint8Array} bytes
 * @returns {Promise<Uint8Array>}
 */
export async function sign(privateKey, bytes) {
  return new Uint8Array(await crypto.subtle.sign(kindOf(privateKey).signing, privateKey, bytes));
}
