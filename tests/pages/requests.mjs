// Makes keys of each kind as the page does, and a signing request with each; hands the keys out for the judges.

import { signingRequest } from "../../ca_server/web/static/csr.js";
import { generateCertificateKey } from "../../ca_server/web/static/keys.js";
import { converse } from "./conversation.mjs";

async function request(kind) {
  const keyPair = await generateCertificateKey(kind);
  const privateKey = new Uint8Array(await crypto.subtle.exportKey("pkcs8", keyPair.privateKey));
  return { kind, privateKey, request: await signingRequest(keyPair) };
}

await converse((kinds) => Promise.all(kinds.map(request)));
