// The dashboard: hears how all stands, and draws it.

import { offerActions } from "./actions.js";
import { byId, write } from "./draw.js";
import { drawPanels } from "./panels.js";
import { ask, follow, sendable, token } from "./stream.js";
import { drawTables } from "./tables.js";
import { length } from "./words.js";

let lastSeen = null;
let announced = "";
let whyLost = "";
let reported = "";
let renewing = false;

function seen(status) {
  if (status.version !== document.body.dataset.version) renew(status.version);
  try {
    draw(status);
  } catch (error) {
    if (`${error}` !== reported) reportError(error);
    reported = `${error}`;
    lost("The gateway answers, and this page cannot show what it says. Load it anew, or see /admin/status.", "Not drawn");
  }
}

/** Milliseconds after which a page is not waited for any more. */
const PATIENCE = 5000;

/**
 * Loads the page of that version, as it may be told what this script does not know: once, when it can be had, and not under
 * the hands of somebody who decides something. Until it is there, this one goes on.
 */
async function renew(version) {
  const deciding = () => document.querySelector("dialog[open]");
  if (renewing || deciding()) return;
  renewing = true;
  try {
    const page = await (await ask(".", { signal: AbortSignal.timeout(PATIENCE) })).text();
    if (page.includes(`data-version="${version}"`) && !deciding()) {
      location.reload();
      return;
    }
  } catch {
    // The next event asks again.
  }
  renewing = false;
}

function draw(status) {
  byId("unlock").hidden = true;
  byId("all").hidden = false;
  drawPanels(status);
  drawTables(status);
  offerActions(status);
  byId("lost").hidden = true;
  lastSeen = Date.now();
  offerToForget();
  link("live", "Live");
  document.title = `${status.health.says} · wesal-gateway`;
  announce(status.health.says);
}

function offerToForget() {
  byId("forget").hidden = token.get() === null;
}

/** Says it to who listens, if it is another state: a number that goes on is none. */
function announce(text) {
  const state = text.replace(/\d+/g, "#");
  if (state === announced) return;
  announced = state;
  byId("announce").textContent = text;
}

function link(state, words) {
  document.body.dataset.link = state;
  write(byId("link"), words);
}

function lost(why, words = "Not connected") {
  link("lost", words);
  document.title = `${words} · wesal-gateway`;
  byId("lost").hidden = false;
  offerToForget();
  whyLost = why;
  tellLost();
  announce(`${why} Trying again.`);
}

function tellLost() {
  const old = lastSeen === null ? "" : ` What is shown is ${length(Math.round((Date.now() - lastSeen) / 1000))} old.`;
  write(byId("lost"), `${whyLost}${old} Trying again…`);
}

setInterval(() => {
  if (document.body.dataset.link === "lost") tellLost();
}, 1000);

/** Nobody looks: what is shown grows old until somebody does. */
function unwatched() {
  link("paused", "Paused");
  document.title = "Paused · wesal-gateway";
}

/** Shows the form for the token, and why, until it was filled in. */
function locked(why) {
  link("locked", "Locked");
  document.title = "Locked · wesal-gateway";
  byId("all").hidden = true;
  byId("lost").hidden = true;
  byId("unlock").hidden = false;
  offerActions(null);
  offerToForget();
  write(byId("unlock-problem"), why);
  const field = byId("token");
  field.value = "";
  field.focus();
  return new Promise((resolve) => {
    byId("unlock-form").onsubmit = (event) => {
      event.preventDefault();
      const given = field.value.trim();
      if (!sendable(given)) {
        write(byId("unlock-problem"), "This is not the admin token: a token has letters, digits and signs only.");
        return;
      }
      token.set(given);
      field.value = "";
      link("waiting", "Connecting");
      resolve();
    };
  });
}

byId("forget").addEventListener("click", () => {
  token.forget();
  location.reload();
});

follow({ seen, lost, locked, unwatched });
