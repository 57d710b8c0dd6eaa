// Seals a key pair of each kind, opens it with the right and with wrong halves, and hands all out for the judges.

import { open, seal, sealingKey } from "../../ca_server/web/static/sealing.js";
import { generateCertificateKey, sign } from "../../ca_server/web/static/keys.js";
import { converse } from "./conversation.mjs";

const bytes = async (form, key) => new Uint8Array(await crypto.subtle.exportKey(form, key));
const outcome = (promise) => promise.then(() => "done", (error) => error.name);

async function sealed({ kind, kid, password, wrong, message }) {
  const pair = await generateCertificateKey(kind);
  const key = await sealingKey(kid, password);
  const kept = await seal(pair, kind, key);
  const again = await seal(pair, kind, key);
  const fixed = await open(kept, key, false);
  const free = await open(kept, key, true);
  return {
    kept: kept.sealed,
    iv: kept.iv,
    again: again.sealed,
    privateKey: await bytes("pkcs8", pair.privateKey),
    opened: await bytes("pkcs8", free.privateKey),
    publicKey: await bytes("spki", fixed.publicKey),
    signature: await sign(fixed.privateKey, message),
    taken: await outcome(bytes("pkcs8", fixed.privateKey)),
    refused: await Promise.all(
      wrong.map(async ([otherKid, otherPassword]) => outcome(open(kept, await sealingKey(otherKid, otherPassword), false))),
    ),
    changed: await outcome(open({ ...kept, sealed: kept.sealed.map((octet, place) => (place === 9 ? octet ^ 1 : octet)) }, key, false)),
  };
}

await converse((questions) => Promise.all(questions.map(sealed)));
