// Calls one function of a module of the page with each list of arguments, and tells what each call gave or threw.

import { converse } from "./conversation.mjs";

await converse(async ({ module, name, calls }) => {
  const { [name]: subject } = await import(`../../ca_server/web/static/${module}.js`);
  const outcome = async (parameters) => {
    try {
      return { value: await subject(...parameters) };
    } catch (error) {
      return { refused: error.name, code: error.code };
    }
  };
  const outcomes = [];
  for (const parameters of calls) {
    outcomes.push(await outcome(parameters));
  }
  return outcomes;
});
