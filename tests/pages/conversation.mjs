// How the tests talk with the modules of the page: JSON through stdin and stdout, bytes as {"$bytes": base64}.

import { text } from "node:stream/consumers";

const revive = (_, value) => (typeof value?.$bytes === "string" ? fromBase64(value.$bytes) : value);
const replace = (_, value) => (value instanceof Uint8Array ? { $bytes: Buffer.from(value).toString("base64") } : value);
const fromBase64 = (encoded) => new Uint8Array(Buffer.from(encoded, "base64"));

/** Answers the one question on stdin. */
export async function converse(answer) {
  const question = JSON.parse(await text(process.stdin), revive);
  process.stdout.write(JSON.stringify(await answer(question), replace));
}
