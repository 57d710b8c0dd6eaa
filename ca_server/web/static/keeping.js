/**
 * Keeps an enrolment in this browser (IndexedDB) until the person confirms the import, so that a tab closed half way
 * loses nothing. Records go by the SHA-256 of their kid, for a kid is a secret; keys in them are sealed.
 *
 * Where the browser keeps nothing, a record lives as long as its tab; `isLasting` tells.
 */

const DATABASE = "warifu";
const STORE = "enrolments";
const MOST_AGE = 30 * 24 * 3600 * 1000; // milliseconds: as long as a URL lives

const passing = new Map();
let opening = null;
let lasting = true;

/** Tell whether what is kept outlives the tab. */
export function isLasting() {
  return lasting;
}

/** Return the name under which the enrolment of a kid is kept: the SHA-256 of the kid, in hexadecimal. */
export async function nameOf(kid) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(kid)));
  return Array.from(digest, (octet) => octet.toString(16).padStart(2, "0")).join("");
}

/** Return what is kept under a name, or null. */
export async function kept(name) {
  return (await within("readonly", (store) => store.get(name))) ?? passing.get(name) ?? null;
}

/** Keep a record under a name, in place of what was there. */
export async function keep(name, record) {
  const dated = { ...record, at: Date.now() };
  const isKept = (await within("readwrite", (store) => store.put(dated, name))) !== undefined;
  if (isKept) passing.delete(name);
  else passing.set(name, dated);
}

/** Forget what is kept under a name, keys and all. */
export async function forget(name) {
  passing.delete(name);
  await within("readwrite", (store) => store.delete(name));
}

/** Forget what nobody has gone on with for as long as a URL lives. */
export async function forgetOld() {
  await within("readwrite", (store) => {
    const walk = store.openCursor();
    walk.onsuccess = () => {
      const cursor = walk.result;
      if (cursor === null) return;
      if (cursor.value.at < Date.now() - MOST_AGE) cursor.delete();
      cursor.continue();
    };
    return walk;
  });
}

/** Run an act that no other tab of this browser does for the same enrolment at the same time. */
export async function alone(name, act) {
  return navigator.locks ? navigator.locks.request(`warifu ${name}`, act) : act();
}

/** Return what a request on the store gave once its transaction is complete; undefined where nothing can be kept. */
async function within(mode, ask) {
  try {
    opening ??= opened();
    const transaction = (await opening).transaction(STORE, mode, { durability: "strict" });
    const request = ask(transaction.objectStore(STORE));
    await new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error);
    });
    return request.result;
  } catch {
    lasting = false;
    return undefined;
  }
}

function opened() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("blocked"));
  });
}
