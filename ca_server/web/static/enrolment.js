/**
 * Enrolment (証明書の取得): two mailed halves become a certificate in this browser. Follows protocol.md, Enrolment.
 *
 * Both keys are kept before newAccount is sent, and each step may be taken again: whoever closed the tab goes on where
 * it was. The account is found by its key without the password (RFC 8555 §7.3.1), an order is looked at again, a
 * certificate downloaded again. Neither password nor key leaves the page.
 */

import { Acme, Refused, Unreachable, pause } from "./acme.js";
import * as base64url from "./base64url.js";
import { chainOf, read } from "./certificate.js";
import { macKey } from "./credential.js";
import { signingRequest } from "./csr.js";
import { alone, forget, keep, kept, nameOf } from "./keeping.js";
import { bind, jwk } from "./jws.js";
import { generateAccountKey, generateCertificateKey } from "./keys.js";
import { pkcs12 } from "./pkcs12.js";

const MOST_LOOKS = 60;
const TAKEN_OVER = 401;

/** The certificate that came is not of this key or not of this seat. */
export class ForeignCertificate extends Error {}

/** One run at a one-time URL. `record` is what this browser keeps of it, or null before it is bound. */
export class Enrolment {
  record = null;
  #name = null;
  #acme = null;

  constructor(directoryUrl, kid) {
    this.directoryUrl = directoryUrl;
    this.kid = kid;
  }

  /** Take up what an earlier tab left. Returns whether its seat is known without the password. */
  async resume() {
    this.#name = await nameOf(this.kid);
    this.record = await kept(this.#name);
    if (this.record === null) return false;
    if (this.record.chain || this.record.seat) return true;
    return alone(this.#name, () => this.#found());
  }

  /** Bind this browser to the seat of the URL and return the seat. Throws Refused as the server does. */
  async bind(password, kind, device) {
    return alone(this.#name, async () => {
      this.record = await kept(this.#name);
      await this.#makeKeys(kind);
      try {
        await this.#newAccount(password, device);
      } catch (error) {
        if (!isTakenOver(error)) throw error;
        await this.#change({ account: await generateAccountKey() }); // a key that ended never binds again (State, 2)
        await this.#newAccount(password, device);
      }
      return this.record.seat;
    });
  }

  /** Remember that the person said yes to the seat. */
  async agree() {
    await this.#change({ agreed: true });
  }

  /** Get the certificate, from wherever it was left, and return its chain in DER, leaf first. */
  async obtain() {
    return alone(this.#name, async () => {
      this.record = await kept(this.#name);
      if (!this.record.chain) await this.#obtained();
      return this.record.chain;
    });
  }

  /** Return what the certificate says of itself. */
  certificate() {
    return read(this.record.chain[0]);
  }

  /** Return certificate, chain and key as a PKCS#12 file under a passphrase. */
  async file(passphrase, name) {
    const { certificate, chain } = this.record;
    const privateKey = new Uint8Array(await crypto.subtle.exportKey("pkcs8", certificate.privateKey));
    return pkcs12({ privateKey, chain, name, passphrase });
  }

  /** Remember that the file was handed over, so that a page opened again goes on with the import. */
  async saved() {
    await this.#change({ saved: true });
  }

  /** Forget keys and certificate: they were imported, or not wanted. */
  async forget() {
    await forget(this.#name);
    this.record = null;
  }

  /** Begin anew with the same URL: what this browser bound before was taken over from elsewhere. */
  async startOver() {
    const { certificate, kind } = this.record;
    this.record = { certificate, kind, account: await generateAccountKey() };
    await keep(this.#name, this.record);
  }

  async #makeKeys(kind) {
    if (this.record?.kind === kind) return;
    const account = this.record?.account ?? (await generateAccountKey());
    await this.#change({ account, certificate: await generateCertificateKey(kind), kind });
  }

  async #change(facts) {
    this.record = { ...this.record, ...facts };
    await keep(this.#name, this.record);
  }

  async #server() {
    this.#acme ??= await Acme.open(this.directoryUrl);
    return this.#acme;
  }

  async #found() {
    try {
      await this.#openAccount({ onlyReturnExisting: true });
    } catch (error) {
      if (error instanceof Refused && error.type === "accountDoesNotExist") return false;
      if (!isTakenOver(error)) throw error;
      await this.startOver();
      return false;
    }
    return true;
  }

  async #newAccount(password, device) {
    const acme = await this.#server();
    const key = await jwk(this.record.account.publicKey);
    const mac = await macKey(this.kid, password);
    const binding = await bind(this.kid, mac, acme.directory.newAccount, key);
    await this.#openAccount({ termsOfServiceAgreed: true, externalAccountBinding: binding, device });
  }

  async #openAccount(payload) {
    const acme = await this.#server();
    const signer = { keys: this.record.account, jwk: await jwk(this.record.account.publicKey) };
    const { body, headers } = await acme.post(acme.directory.newAccount, signer, payload);
    await this.#change({ accountUrl: headers.get("Location"), seat: body.seat });
  }

  async #post(url, payload) {
    const acme = await this.#server();
    return acme.post(url, { keys: this.record.account, kid: this.record.accountUrl }, payload);
  }

  async #obtained() {
    // 1. The order, its URL kept before anything hangs on it. The server gives an open one again.
    const order = (await this.#underWay()) ?? (await this.#ordered());
    // 2. The request with this browser's key. It names nobody: the subject is the authority's to say.
    if (order.status === "ready") await this.#finalized(order);
    // 3. Wait while the server signs; 4. fetch, look whether it is ours, and keep it.
    const { body } = await this.#post(await this.#issued(), "");
    const chain = chainOf(body);
    await this.#requireOwn(read(chain[0]));
    await this.#change({ chain });
  }

  async #underWay() {
    if (!this.record.order) return null;
    try {
      const { body } = await this.#post(this.record.order, "");
      return body.status === "invalid" ? null : body;
    } catch (error) {
      if (error instanceof Refused && error.status === 404) return null;
      throw error;
    }
  }

  async #ordered() {
    const identifiers = [{ type: "permanent-identifier", value: this.record.seat.commonName }];
    const { body, headers } = await this.#post((await this.#server()).directory.newOrder, { identifiers });
    await this.#change({ order: headers.get("Location") });
    return body;
  }

  async #finalized(order) {
    const csr = base64url.encode(await signingRequest(this.record.certificate));
    try {
      await this.#post(order.finalize, { csr });
    } catch (error) {
      // Finalized before, by a request whose answer was lost: look at the order.
      if (!(error instanceof Refused && error.type === "orderNotReady")) throw error;
    }
  }

  async #issued() {
    for (let looks = 0; looks < MOST_LOOKS; looks += 1) {
      const { body, headers } = await this.#post(this.record.order, "");
      if (body.status === "valid") return body.certificate;
      if (body.status === "invalid") throw new Refused(403, body.error ?? {}, headers.get("Request-Id"), 0);
      await pause(Number(headers.get("Retry-After")) || 1);
    }
    throw new Unreachable("the order is still processing");
  }

  async #requireOwn(leaf) {
    const own = new Uint8Array(await crypto.subtle.exportKey("spki", this.record.certificate.publicKey));
    const same = own.length === leaf.spki.length && own.every((octet, place) => octet === leaf.spki[place]);
    if (!same || leaf.commonName !== this.record.seat.commonName) throw new ForeignCertificate();
  }
}

/** Tell whether an error says that this browser's account was ended, as a takeover from elsewhere does. */
export function isTakenOver(error) {
  return error instanceof Refused && error.status === TAKEN_OVER;
}
