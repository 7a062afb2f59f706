// What an operator may do here. Each asks once more; the default answer is to leave all as it is.

import { byId, element, write } from "./draw.js";
import { ask } from "./stream.js";
import { counted } from "./words.js";

const ALL = "";
let routes = [];

/** Shows what can be done now; nothing if there is no `status`. */
export function offerActions(status) {
  byId("open-reload").hidden = !status?.configuration.fromFile;
  byId("open-purge").hidden = !status;
  if (status) routes = status.cache.routes;
}

/** Which can be purged, as this process or the next has them. Not while a choice is made: none changes under a hand. */
function offerRoutes() {
  const offered = byId("purge-route");
  const before = offered.value;
  offered.replaceChildren(
    element("option", { value: ALL }, "all routes"),
    ...routes.map((route) => element("option", { value: route }, route)),
  );
  offered.value = routes.includes(before) ? before : ALL;
}

/** Milliseconds after which an answer is not waited for any more. */
const PATIENCE = 30000;

let hush;
function say(text, milliseconds = 15000) {
  write(byId("said"), text);
  clearTimeout(hush);
  hush = setTimeout(() => write(byId("said"), ""), milliseconds);
}

async function post(path, body) {
  const leaving = new AbortController();
  const timer = setTimeout(() => leaving.abort(), PATIENCE);
  try {
    const headers = body === undefined ? {} : { "Content-Type": "application/json" };
    const asked = { method: "POST", headers, body: body && JSON.stringify(body), signal: leaving.signal };
    const response = await ask(path, asked);
    const told = await response.json();
    if (!response.ok) throw new Error(told.detail);
    return told;
  } finally {
    clearTimeout(timer);
  }
}

function confirmed(name, act, prepare = () => {}) {
  const dialog = byId(name);
  byId(`open-${name}`).addEventListener("click", () => {
    prepare();
    dialog.returnValue = "no";
    dialog.showModal();
  });
  dialog.addEventListener("close", async () => {
    if (dialog.returnValue !== "yes") return;
    say("The gateway is asked…", PATIENCE);
    try {
      say(await act());
    } catch (error) {
      const silent = error instanceof TypeError || error.name === "AbortError";
      say(silent ? "The gateway does not answer; nothing is known to have been done." : error.message);
    }
  });
}

confirmed("reload", async () => {
  const { needsRestart } = await post("admin/reload");
  return needsRestart.length ? `Reloaded. These need a restart: ${needsRestart.join(", ")}.` : "The configuration is reloaded.";
});

async function purge() {
  const route = byId("purge-route").value;
  const { purged } = await post("admin/cache/purge", route === ALL ? {} : { route });
  return `${counted(purged, "answer is", "answers are")} stale now.`;
}

confirmed("purge", purge, offerRoutes);
