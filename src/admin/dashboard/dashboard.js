// The dashboard: hears how all stands, and draws it.

import { offerActions } from "./actions.js";
import { byId, write } from "./draw.js";
import { drawPanels } from "./panels.js";
import { follow, token } from "./stream.js";
import { drawTables } from "./tables.js";
import { length } from "./words.js";

let lastSeen = null;
let announced = "";
let whyLost = "";

function draw(status) {
  lastSeen = Date.now();
  link("live", "Live");
  byId("unlock").hidden = true;
  byId("lost").hidden = true;
  byId("all").hidden = false;
  byId("forget").hidden = token.get() === null;
  drawPanels(status);
  drawTables(status);
  offerActions(status);
  document.title = `${status.health.says} · wesal-gateway`;
  announce(status.health.says);
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

function lost(why) {
  link("lost", "Not connected");
  document.title = "Not connected · wesal-gateway";
  byId("lost").hidden = false;
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

/** Shows the form for the token, and why, until it was filled in. */
function locked(why) {
  link("locked", "Locked");
  document.title = "Locked · wesal-gateway";
  byId("all").hidden = true;
  byId("lost").hidden = true;
  byId("unlock").hidden = false;
  offerActions(null);
  byId("forget").hidden = true;
  write(byId("unlock-problem"), why);
  const field = byId("token");
  field.value = "";
  field.focus();
  return new Promise((resolve) => {
    byId("unlock-form").onsubmit = (event) => {
      event.preventDefault();
      token.set(field.value.trim());
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

follow({ seen: draw, lost, locked });
