/**
 * What the help desk needs to hear (requirement U5): time, reason, request id, browser, system, CN. Never a secret:
 * neither password nor URL nor key is handed to this module.
 */

const LONGEST = 200;

/** Return the browser and the system in words, as the browser tells them. */
export async function machine() {
  const { userAgent, userAgentData } = navigator;
  try {
    return await told(userAgentData);
  } catch {
    return { browser: cut(userAgent), os: cut(systemIn(userAgent)) };
  }
}

async function told(agent) {
  const { platform, platformVersion, fullVersionList } = await agent.getHighEntropyValues([
    "platformVersion",
    "fullVersionList",
  ]);
  const brands = (fullVersionList ?? agent.brands).filter(({ brand }) => !/not.?a.?brand/i.test(brand));
  const browser = brands.map(({ brand, version }) => `${brand} ${version}`).join(", ");
  return { browser: cut(browser), os: cut(`${platform} ${release(platform, platformVersion)}`.trim()) };
}

/** Return the lines for the help desk. */
export function report(words, facts) {
  const lines = Object.entries(words.REPORT)
    .filter(([name]) => name !== "none")
    .map(([name, label]) => `${label}: ${facts[name] || words.REPORT.none}`);
  return lines.join("\n");
}

/** Return a moment with its distance from UTC, as a log can be searched for it. */
export function moment(date) {
  const minutes = -date.getTimezoneOffset();
  const local = new Date(date.getTime() + 60000 * minutes).toISOString().slice(0, 19);
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  const distance = `${minutes < 0 ? "-" : "+"}${String(hours).padStart(2, "0")}:${String(rest).padStart(2, "0")}`;
  return `${local.replace("T", " ")} (${distance})`;
}

/** Copy the text of an element; returns false where the browser does not let pages copy, and selects it instead. */
export async function copied(place) {
  try {
    await navigator.clipboard.writeText(place.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(place);
    return false;
  }
}

function release(platform, version) {
  // Windows tells 13 and above for Windows 11 (Microsoft's table of UA client hints).
  if (platform === "Windows") return Number.parseInt(version, 10) >= 13 ? "11" : "10";
  return version;
}

function systemIn(userAgent) {
  return /\(([^)]*)\)/.exec(userAgent)?.[1] ?? "";
}

function cut(text) {
  return text.replace(/[^\x20-\x7e]/g, "").slice(0, LONGEST);
}
