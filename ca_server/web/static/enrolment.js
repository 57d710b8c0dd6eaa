/**
 * Enrolment (証明書の取得): two mailed halves become a certificate in this browser (protocol.md, Enrolment).
 *
 * Both keys are kept, sealed, before newAccount is sent, and each step may be taken again: whoever closed the tab types
 * the password and goes on where it was. Other tabs may do the same at the same time, so each step is taken alone and
 * looks at what is kept first. Neither password nor key leaves the page.
 */

import { Acme, Refused, Unreachable, pause } from "./acme.js";
import * as base64url from "./base64url.js";
import { chainOf, read } from "./certificate.js";
import { macKey } from "./credential.js";
import { signingRequest } from "./csr.js";
import { alone, forget, forgetOld, keep, kept, nameOf } from "./keeping.js";
import { bind, jwk } from "./jws.js";
import { generateAccountKey, generateCertificateKey } from "./keys.js";
import { pkcs12 } from "./pkcs12.js";
import { open, seal, sealingKey } from "./sealing.js";

const ACCOUNT_KIND = "P-256";
const MOST_LOOKS = 60;
const ENDED = 401;

/** The certificate that came is not of this key or not of this seat. */
export class ForeignCertificate extends Error {
  name = "ForeignCertificate";
}

/** The server is still at it, after a minute. */
export class StillProcessing extends Error {
  name = "StillProcessing";
}

/** Another tab has ended what this one shows. */
export class Over extends Error {
  name = "Over";
}

/** One run at a one-time URL. `record` is what this browser keeps of it, or null. */
export class Enrolment {
  record = null;
  #name = null;
  #acme = null;
  #sealing = null;
  #keys = null;

  constructor(directoryUrl, kid) {
    this.directoryUrl = directoryUrl;
    this.kid = kid;
  }

  /** Look what an earlier tab left; asks the server nothing. */
  async look() {
    this.#name = await nameOf(this.kid);
    await forgetOld();
    this.record = await kept(this.#name);
  }

  /** Open what is kept, or begin, and bind this browser to the seat. Throws WrongPassword, or Refused. */
  async open(password, kind, device) {
    this.#sealing = await sealingKey(this.kid, password);
    await this.#alone(async () => {
      if (this.record === null) await this.#begin(kind);
      if (this.record.chain || this.record.done) return;
      if (this.record.kind !== kind && !this.record.order) await this.#begin(kind);
      try {
        await this.#newAccount(password, device);
      } catch (error) {
        if (!isEnded(error)) throw await this.#unlessBound(error);
        await this.#begin(this.record.kind); // a key that ended never binds again (State, rule 2)
        await this.#newAccount(password, device);
      }
    });
  }

  /** Get the certificate, from wherever it was left: the person has said yes. Throws Over. */
  async obtain() {
    await this.#alone(async () => {
      this.#requireLive();
      if (!this.record.chain) await this.#obtained();
    });
  }

  /** Forget it, for the person said no; returns false when another tab has gone on, and nothing may be forgotten. */
  async decline() {
    return this.#alone(async () => {
      if (this.record?.order || this.record?.chain || this.record?.done) return false;
      await forget(this.#name);
      this.record = null;
      return true;
    });
  }

  /** Return what the certificate says of itself. */
  certificate() {
    return read(this.record.chain[0]);
  }

  /** Return certificate, chain and key as a PKCS#12 file under a passphrase. Throws Over. */
  async file(passphrase, name) {
    return this.#alone(async () => {
      this.#requireLive();
      const privateKey = new Uint8Array(await crypto.subtle.exportKey("pkcs8", this.#keys.certificate.privateKey));
      await this.#change({ saved: true });
      return pkcs12({ privateKey, chain: this.record.chain, name, passphrase });
    });
  }

  /** Forget keys and certificate, for they were imported; what is left tells a page opened again that all is done. */
  async finish() {
    await this.#alone(async () => {
      if (!this.record?.chain) return;
      const { commonName, notAfter } = this.certificate();
      this.record = { done: { commonName, notAfter, renewal: this.record.seat.renewal } };
      await keep(this.#name, this.record);
    });
  }

  /** Do one step by what is kept now, whatever this tab has seen before. */
  async #alone(act) {
    return alone(this.#name, async () => {
      this.record = await kept(this.#name);
      if (this.record?.account && this.#sealing) await this.#unseal();
      return act();
    });
  }

  async #unseal() {
    const { account, certificate } = this.record;
    try {
      this.#keys = {
        account: await open(account, this.#sealing, false),
        certificate: await open(certificate, this.#sealing, true),
      };
    } catch (error) {
      await this.#unlessBound(error);
      if (this.record !== null) throw error;
    }
  }

  /** Forget keys that are bound to nothing: they may be sealed by a mistyped password. Returns the error. */
  async #unlessBound(error) {
    if (!this.record.accountUrl && !(error instanceof Unreachable)) {
      await forget(this.#name);
      this.record = null;
    }
    return error;
  }

  #requireLive() {
    if (this.record === null || this.record.done) throw new Over();
  }

  async #begin(kind) {
    this.#keys = { account: await generateAccountKey(), certificate: await generateCertificateKey(kind) };
    const account = await seal(this.#keys.account, ACCOUNT_KIND, this.#sealing);
    const certificate = await seal(this.#keys.certificate, kind, this.#sealing);
    this.record = { kind, account, certificate };
    await keep(this.#name, this.record);
  }

  async #change(facts) {
    this.record = { ...this.record, ...facts };
    await keep(this.#name, this.record);
  }

  async #server() {
    this.#acme ??= await Acme.open(this.directoryUrl);
    return this.#acme;
  }

  /** Send newAccount; a key that has its account already gets it again, and the binding is not looked at (§7.3.1). */
  async #newAccount(password, device) {
    const acme = await this.#server();
    const key = await jwk(this.#keys.account.publicKey);
    const url = acme.directory.newAccount;
    const binding = await bind(this.kid, await macKey(this.kid, password), url, key);
    const payload = { termsOfServiceAgreed: true, externalAccountBinding: binding, device };
    const { body, headers } = await acme.post(url, { keys: this.#keys.account, jwk: key }, payload);
    await this.#change({ accountUrl: headers.get("Location"), seat: body.seat });
  }

  async #post(url, payload) {
    const acme = await this.#server();
    return acme.post(url, { keys: this.#keys.account, kid: this.record.accountUrl }, payload);
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
    const csr = base64url.encode(await signingRequest(this.#keys.certificate));
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
    throw new StillProcessing();
  }

  async #requireOwn(leaf) {
    const own = new Uint8Array(await crypto.subtle.exportKey("spki", this.#keys.certificate.publicKey));
    const same = own.length === leaf.spki.length && own.every((octet, place) => octet === leaf.spki[place]);
    if (!same || leaf.commonName !== this.record.seat.commonName) throw new ForeignCertificate();
  }
}

/** Tell whether an error says that this browser's account has ended: taken over from elsewhere, or the URL replaced. */
export function isEnded(error) {
  return error instanceof Refused && error.status === ENDED;
}
