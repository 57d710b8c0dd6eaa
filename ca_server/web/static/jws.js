/**
 * JSON Web Signatures as ACME uses them (RFC 8555 §6.2): flattened JSON, ES256 by the account's key, and the external
 * account binding, HS256 by the credential's MAC key.
 */

import { encode } from "./base64url.js";
import * as keys from "./keys.js";

/**
 * @typedef {{crv: string, kty: string, x: string, y: string}} Jwk
 * @typedef {{protected: string, payload: string, signature: string}} Jws
 */

const utf8 = new TextEncoder();

/**
 * Returns the required members of a P-256 public key (RFC 7518 §6.2.1), in the order in which RFC 7638 hashes them.
 * @param {CryptoKey} publicKey
 * @returns {Promise<Jwk>}
 */
export async function jwk(publicKey) {
  const { crv, kty, x, y } = await crypto.subtle.exportKey("jwk", publicKey);
  return { crv, kty, x, y };
}

/**
 * Returns the SHA-256 thumbprint of a key as `jwk` returns it, 43 characters of base64url (RFC 7638).
 * @param {Jwk} members
 * @returns {Promise<string>}
 */
export async function thumbprint({ crv, kty, x, y }) {
  const canonical = utf8.encode(JSON.stringify({ crv, kty, x, y }));
  return encode(new Uint8Array(await crypto.subtle.digest("SHA-256", canonical)));
}

/**
 * Signs a request: an object as the JSON of a POST, or "" for a POST-as-GET (RFC 8555 §6.3).
 * @param {CryptoKey} privateKey of the account
 * @param {{nonce: string, url: string, jwk: Jwk} | {nonce: string, url: string, kid: string}} header
 * @param {object | ""} payload
 * @returns {Promise<Jws>}
 */
export async function sign(privateKey, header, payload) {
  return assemble({ alg: "ES256", ...header }, payload, (input) => keys.sign(privateKey, input));
}

/**
 * Makes the external account binding (RFC 8555 §7.3.4); `url` is that of newAccount, as the outer JWS has it.
 * @param {string} kid
 * @param {Uint8Array} macKey
 * @param {string} url
 * @param {Jwk} accountJwk
 * @returns {Promise<Jws>}
 */
export async function bind(kid, macKey, url, accountJwk) {
  const key = await crypto.subtle.importKey("raw", macKey, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const mac = async (input) => new Uint8Array(await crypto.subtle.sign("HMAC", key, input));
  return assemble({ alg: "HS256", kid, url }, accountJwk, mac);
}

async function assemble(header, payload, signer) {
  const members = {
    protected: encode(utf8.encode(JSON.stringify(header))),
    payload: payload === "" ? "" : encode(utf8.encode(JSON.stringify(payload))),
  };
  const signature = await signer(utf8.encode(`${members.protected}.${members.payload}`));
  return { ...members, signature: encode(signature) };
}
