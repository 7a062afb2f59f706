// What there is a line each of.

import { byId, element, table, write } from "./draw.js";
import { now } from "./panels.js";
import { NONE, ago, count, counted, length, share, time, until } from "./words.js";

export function drawTables(status) {
  errors(status);
  callers(status);
  routes(status);
  hotQueues(status.hotQueues);
}

function errors(status) {
  const at = now(status);
  write(byId("errors-count"), status.recentErrors.length ? counted(status.recentErrors.length, "kind", "kinds") : "");
  table(
    byId("errors"),
    "Errors that callers were told of, the newest first",
    [
      { title: "Error", head: true, cell: ({ code }) => code },
      { title: "Status", number: true, cell: ({ status }) => ({ text: `${status}`, kind: status >= 500 ? "bad" : undefined }) },
      { title: "Times", number: true, cell: ({ times }) => count(times) },
      { title: "Last", cell: (error) => `${time(error.at)}, ${ago(error.at, at)}` },
      { title: "Caller", cell: ({ caller }) => (caller === "-" ? "unknown" : caller) },
      { title: "Route", cell: ({ route }) => ({ text: route, kind: "code" }) },
      { title: "Request id of the last", cell: ({ requestId }) => ({ text: requestId, kind: "code" }) },
    ],
    status.recentErrors,
    "No caller was told of an error.",
  );
}

function standing({ enabled, expires }, at) {
  if (!enabled) return { text: "disabled", kind: "warning" };
  if (!expires) return { text: "no end" };
  const seconds = (Date.parse(expires) - at) / 1000;
  if (seconds <= 0) return { text: `expired ${until(expires)}`, kind: "bad" };
  return { text: `until ${until(expires)}`, kind: seconds < 7 * 86400 ? "warning" : undefined };
}

/** By how much a caller's share changes before its place does: those that ask alike do not change places under a reader. */
const MOVES = 0.02;
/** By caller, the share that it has its place for. */
let placed = new Map();

function inOrder(callers) {
  const place = ({ name, lastMinute: { share } }) => (Math.abs(share - placed.get(name)) < MOVES ? placed.get(name) : share);
  placed = new Map(callers.map((caller) => [caller.name, place(caller)]));
  return [...callers].sort((a, b) => placed.get(b.name) - placed.get(a.name) || a.name.localeCompare(b.name));
}

function callers(status) {
  const at = now(status);
  const all = inOrder(status.callers);
  write(byId("callers-count"), all.length ? count(all.length) : "");
  table(
    byId("callers"),
    "Callers, the busiest of the last minute first",
    [
      { title: "Caller", head: true, cell: ({ name }) => name },
      { title: "Share now", cell: ({ lastMinute }) => ({ text: share(lastMinute.share, 1), bar: lastMinute.share }) },
      { title: "Last minute", number: true, cell: ({ lastMinute }) => count(lastMinute.requests) },
      { title: "Over limit", number: true, cell: ({ lastMinute: { rateLimited } }) => ({ text: count(rateLimited), kind: rateLimited ? "warning" : undefined }) },
      { title: "Since the start", number: true, cell: ({ requests, rateLimited }) => `${count(requests)}${rateLimited ? `, ${count(rateLimited)} over` : ""}` },
      { title: "Limit", cell: ({ limit }) => (limit ? `${count(limit.burst)} at once, whole in ${length(limit.window)}${limit.name === "caller" ? ", own" : ""}` : NONE) },
      { title: "Last used", cell: ({ lastUsed }) => (lastUsed ? ago(lastUsed, at) : "never") },
      { title: "Key", cell: (caller) => standing(caller, at) },
      { title: "Scopes", cell: ({ scopes, mayRefresh }) => [...scopes, ...(mayRefresh ? ["may refresh"] : [])].join(", ") },
    ],
    all,
    "The configuration names no callers yet.",
  );
}

function routes(status) {
  const all = Object.entries(status.routes).map(([route, told]) => {
    const { hit = 0, stale = 0, miss = 0, partial = 0, none = 0 } = told.requests;
    return { route, ...told, hit, stale, fetched: miss + partial, none, all: hit + stale + miss + partial + none };
  });
  all.sort((a, b) => b.all - a.all || a.route.localeCompare(b.route));
  const some = (of) => ({ title: of[0], number: true, cell: (route) => count(of[1](route)) });
  table(
    byId("routes"),
    "Routes, the busiest first, since the process began",
    [
      { title: "Route", head: true, cell: ({ route }) => ({ text: route, kind: "code" }) },
      some(["Requests", ({ all }) => all]),
      { title: "From memory", cell: ({ hit, stale, fetched }) => (hit + stale + fetched ? { text: share(hit + stale, hit + stale + fetched), bar: (hit + stale) / (hit + stale + fetched) } : { text: NONE, bar: 0 }) },
      some(["Fresh", ({ hit }) => hit]),
      some(["Stale", ({ stale }) => stale]),
      some(["Fetched", ({ fetched }) => fetched]),
      some(["Other", ({ none }) => none]),
      some(["Wesal calls", ({ vendorCalls }) => vendorCalls]),
      some(["Saved", ({ saved }) => saved]),
    ],
    all,
    "Nobody has asked yet.",
  );
}

const FRESHNESS = {
  fresh: ["fresh", "good"],
  stale_while_revalidate: ["stale, being refreshed", "plain"],
  stale_if_error: ["stale, for want of better", "warning"],
  gone: ["too old to serve", "bad"],
};

function hotQueues({ count: so, byFreshness, worst }) {
  write(byId("hot-count"), so ? `${counted(so, "row", "rows")}${worst.length < so ? `, the ${worst.length} worst shown` : ""}` : "");
  shares(Object.keys(FRESHNESS).filter((name) => byFreshness[name]).map((name) => [...FRESHNESS[name], byFreshness[name]]), so);
  table(
    byId("hot"),
    "Rows of queues that are asked for steadily, those furthest from fresh first",
    [
      { title: "Queue", head: true, cell: ({ queue }) => ({ text: queue, kind: "code" }) },
      { title: "Age", number: true, cell: ({ age }) => length(age < 10 ? Number(age.toFixed(1)) : age) },
      { title: "Figures are", cell: ({ freshness }) => ({ text: (FRESHNESS[freshness] ?? [freshness])[0], kind: (FRESHNESS[freshness] ?? [])[1] }) },
      { title: "Route", cell: ({ route }) => ({ text: route, kind: "code" }) },
    ],
    worst,
    "No queue is asked for steadily.",
  );
}

/** One bar, divided among the states, and below it what stands for which. */
function shares(parts, all) {
  const [bar, legend] = byId("hot-shares").children;
  byId("hot-shares").hidden = all === 0;
  for (const list of [bar, legend]) while (list.children.length > parts.length) list.lastElementChild.remove();
  parts.forEach(([name, kind, so], index) => {
    const piece = bar.children[index] ?? bar.appendChild(element("span"));
    piece.dataset.kind = kind;
    piece.style.flexGrow = `${so}`;
    const told = legend.children[index] ?? legend.appendChild(element("span", {}, element("i"), element("span")));
    told.children[0].dataset.kind = kind;
    write(told.children[1], `${count(so)} ${name}`);
  });
}
