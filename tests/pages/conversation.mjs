// How the tests talk with the modules of the page: lines of JSON through stdin and stdout, bytes as {"$bytes": base64}.

import { createInterface } from "node:readline";

const revive = (_, value) => (typeof value?.$bytes === "string" ? fromBase64(value.$bytes) : value);
const replace = (_, value) => (value instanceof Uint8Array ? { $bytes: Buffer.from(value).toString("base64") } : value);
const fromBase64 = (encoded) => new Uint8Array(Buffer.from(encoded, "base64"));

/** Answers each question on stdin. */
export async function converse(answer) {
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line, revive)), replace)}\n`);
  }
}
