/**
 * Shows one step of the enrolment page at a time: a section, its place in the list of steps, and the focus on its
 * heading, so that a screen reader tells what came.
 */

const PLACES = ["password", "confirm", "save", "import", "done"];
const WORKING = "working";

/** Return an element of the page by its id. */
export function element(id) {
  return document.getElementById(id);
}

/** Show the section of that id alone; `quietly` leaves the focus where it is. */
export function show(id, quietly = false) {
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== id;
  mark(id === WORKING ? "confirm" : id);
  window.scrollTo(0, 0);
  if (quietly) return;
  const heading = element(id).querySelector("h2");
  heading.tabIndex = -1;
  heading.focus();
}

/** Fill what the page says of a certificate: every element that names the fact, and what stands for one kind alone. */
export function tell(facts) {
  for (const [name, value] of Object.entries(facts)) {
    for (const place of document.querySelectorAll(`[data-show="${name}"]`)) place.textContent = value;
  }
}

/** Show what is said of a renewal, or of a first certificate. */
export function tellKind(isRenewal) {
  for (const place of document.querySelectorAll("[data-when]")) {
    place.hidden = (place.dataset.when === "renewal") !== isRenewal;
  }
}

/** Say something beside a field: `state` is "", "right" or "wrong"; wrong marks the fields that it describes. */
export function hint(id, text, state = "") {
  const place = element(id);
  place.textContent = text;
  place.className = state ? `hint ${state}` : "hint";
  place.setAttribute("aria-live", state ? "polite" : "off"); // a count at every key would drown the reader
  for (const field of document.querySelectorAll(`[aria-describedby="${id}"]`)) {
    if (state === "wrong") field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }
}

function mark(place) {
  const list = element("progress");
  list.hidden = !PLACES.includes(place);
  let past = true;
  for (const item of list.children) {
    const isHere = item.dataset.of === place;
    if (isHere) past = false;
    item.classList.toggle("past", past);
    if (isHere) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  }
}
