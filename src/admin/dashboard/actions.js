// What an operator may do here. Each asks once more; the default answer is to leave all as it is.

import { byId, element, write } from "./draw.js";
import { ask } from "./stream.js";
import { counted } from "./words.js";

const ALL = "";
const KEPT = [
  "/queries/organization",
  "/survey/queries/questions/{companyId}",
  "/survey/queries/surveys",
  "/analytics/runtime/queues/summary",
  "/analytics/runtime/queues/activity",
  "/analytics/queues/performance",
];

/** Shows what can be done now; nothing if there is no `status`. */
export function offerActions(status) {
  byId("open-reload").hidden = !status?.configuration.fromFile;
  byId("open-purge").hidden = !status;
}

let hush;
function say(text) {
  write(byId("said"), text);
  clearTimeout(hush);
  hush = setTimeout(() => write(byId("said"), ""), 15000);
}

async function post(path, body) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  const response = await ask(path, { method: "POST", headers, body: body && JSON.stringify(body) });
  const told = await response.json();
  if (!response.ok) throw new Error(told.detail);
  return told;
}

function confirmed(name, act) {
  const dialog = byId(name);
  byId(`open-${name}`).addEventListener("click", () => {
    dialog.returnValue = "no";
    dialog.showModal();
  });
  dialog.addEventListener("close", async () => {
    if (dialog.returnValue !== "yes") return;
    try {
      say(await act());
    } catch (error) {
      say(error instanceof TypeError ? "The gateway does not answer; nothing is known to have been done." : error.message);
    }
  });
}

confirmed("reload", async () => {
  const { needsRestart } = await post("admin/reload");
  return needsRestart.length ? `Reloaded. These need a restart: ${needsRestart.join(", ")}.` : "The configuration is reloaded.";
});

byId("purge-route").append(
  element("option", { value: ALL }, "all routes"),
  ...KEPT.map((route) => element("option", { value: route }, route)),
);
confirmed("purge", async () => {
  const route = byId("purge-route").value;
  const { purged } = await post("admin/cache/purge", route === ALL ? {} : { route });
  return `${counted(purged, "answer is", "answers are")} stale now.`;
});
