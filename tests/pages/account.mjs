// Makes an account key as the page does, and signs requests and a binding with it.

import { generateAccountKey } from "../../ca_server/web/static/keys.js";
import { bind, jwk, sign, thumbprint } from "../../ca_server/web/static/jws.js";
import { converse } from "./conversation.mjs";

await converse(async ({ url, payloads, kid, macKey }) => {
  const { privateKey, publicKey } = await generateAccountKey();
  const members = await jwk(publicKey);
  return {
    jwk: members,
    thumbprint: await thumbprint(members),
    requests: await Promise.all(payloads.map((payload) => sign(privateKey, { nonce: "AAAA", url, kid }, payload))),
    first: await sign(privateKey, { nonce: "AAAA", url, jwk: members }, {}),
    binding: await bind(kid, macKey, url, members),
  };
});
