/**
 * The certificate signing request (PKCS#10, RFC 2986 §4): the proof that who asks holds the private key.
 */

import { bitString, implicit, integer, sequence, setOf } from "./der.js";
import { kindOf, sign } from "./keys.js";

/**
 * Makes a request in DER with an empty subject and no attributes, for the CA's records alone say what is certified.
 * @param {CryptoKeyPair} keyPair
 * @returns {Promise<Uint8Array>}
 */
export async function signingRequest({ privateKey, publicKey }) {
  const kind = kindOf(privateKey);
  const publicKeyInfo = new Uint8Array(await crypto.subtle.exportKey("spki", publicKey));
  const requested = sequence(integer(0), sequence(), publicKeyInfo, implicit(0, setOf()));
  const signature = await sign(privateKey, requested);
  return sequence(requested, kind.signatureAlgorithm, bitString(kind.x509Signature(signature)));
}
