/**
 * Speaks ACME (RFC 8555) to the server that sent this page: signed POSTs, nonces, problem documents.
 *
 * A nonce comes with every answer and is used once; when the server no longer knows one, the request is sent once more
 * with the nonce of that answer (§6.5). What the server says no to is `Refused`; what did not arrive is `Unreachable`.
 */

import { sign } from "./jws.js";

const JOSE = "application/jose+json";
const URN = "urn:ietf:params:acme:error:";
const SECONDS_FOR_AN_ANSWER = 30;
const MOST_TRIES = 3;
const LONGEST_PAUSE = 15;

/** The server said no: its problem document (RFC 9457), and the id by which its log knows the request. */
export class Refused extends Error {
  constructor(status, problem, requestId, retryAfter) {
    super(String(problem.detail ?? status));
    this.status = status;
    this.type = String(problem.type ?? "").replace(URN, "");
    this.reason = problem.reason;
    this.triesLeft = problem.triesLeft;
    this.requestId = requestId;
    this.retryAfter = retryAfter;
  }
}

/** No answer came, or none that ACME knows. */
export class Unreachable extends Error {}

/** A server's directory, and the nonces that it hands out. */
export class Acme {
  #nonces = [];

  /** Fetch the directory. Throws Unreachable or Refused. */
  static async open(url) {
    const acme = new Acme();
    acme.directory = (await acme.#ask(url, {})).body;
    return acme;
  }

  /** Send a signed request as an account, `""` being a POST-as-GET (§6.3), and return `{body, headers}`. */
  async post(url, account, payload) {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#once(url, account, payload);
      } catch (error) {
        if (!isWorthAnotherTry(error) || tries === MOST_TRIES) throw error;
        await pause(error.type === "badNonce" ? 0 : error.retryAfter);
      }
    }
  }

  async #once(url, { keys, jwk, kid }, payload) {
    const nonce = await this.#nonce();
    const header = { alg: "ES256", ...(kid ? { kid } : { jwk }), nonce, url };
    const body = JSON.stringify(await sign(keys.privateKey, header, payload));
    return this.#ask(url, { method: "POST", headers: { "Content-Type": JOSE }, body });
  }

  async #nonce() {
    if (this.#nonces.length === 0) await this.#ask(this.directory.newNonce, { method: "HEAD" });
    return this.#nonces.pop();
  }

  async #ask(url, request) {
    const headers = { ...request.headers, "Accept-Language": document.documentElement.lang };
    const answer = await fetched(url, { ...request, headers });
    const nonce = answer.headers.get("Replay-Nonce");
    if (nonce) this.#nonces = [nonce];
    const kind = answer.headers.get("Content-Type") ?? "";
    const body = await read(answer, kind.includes("json"));
    if (answer.ok) return { body, headers: answer.headers };
    const problem = typeof body === "object" && body !== null ? body : {};
    const seconds = Number(answer.headers.get("Retry-After")) || 0;
    throw new Refused(answer.status, problem, answer.headers.get("Request-Id"), seconds);
  }
}

/** Wait, for a time that a server named, but not for ever. */
export function pause(seconds) {
  return new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(seconds, LONGEST_PAUSE)));
}

function isWorthAnotherTry(error) {
  if (!(error instanceof Refused)) return false;
  return error.type === "badNonce" || (error.status === 503 && error.retryAfter > 0);
}

async function fetched(url, request) {
  const abort = new AbortController();
  const clock = setTimeout(() => abort.abort(), 1000 * SECONDS_FOR_AN_ANSWER);
  try {
    const manners = { cache: "no-store", credentials: "omit", redirect: "error", referrerPolicy: "no-referrer" };
    return await fetch(url, { ...request, ...manners, signal: abort.signal });
  } catch (error) {
    throw new Unreachable(String(error));
  } finally {
    clearTimeout(clock);
  }
}

async function read(answer, isJson) {
  try {
    const text = await answer.text();
    return isJson && text !== "" ? JSON.parse(text) : text;
  } catch (error) {
    throw new Unreachable(String(error));
  }
}
