// All but the tables.

import { byId, element, sparkline, svg, terms, write } from "./draw.js";
import { NONE, ago, bytes, count, counted, date, length, rate, share, took, until } from "./words.js";

const MARKS = {
  good: "M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20zm5 7.6-5.9 6.7a1 1 0 0 1-1.5 0l-2.7-2.9a1 1 0 1 1 1.5-1.4l1.9 2.1 5.2-5.8A1 1 0 0 1 17 9.6z",
  warning: "M10.3 3.3 1.7 18.4A2 2 0 0 0 3.4 21.4h17.2a2 2 0 0 0 1.7-3L13.7 3.3a2 2 0 0 0-3.4 0zM11 9h2v6h-2zm0 7.5h2v2h-2z",
  bad: "M8 2h8l6 6v8l-6 6H8l-6-6V8zm3 4v8h2V6zm0 10v2.5h2V16z",
};
const LEVELS = { good: "Good", warning: "Warning", bad: "Trouble" };
/** Spans of the history for which there is room at least, so that a young process does not look like a busy one. */
const ROOM = 18;

/** When the gateway says that it is. */
export const now = (status) => Date.parse(status.at);

export function drawPanels(status) {
  write(byId("version"), status.version);
  headline(status);
  tiles(status.traffic);
  terms(byId("vendor"), vendor(status));
  terms(byId("gateway"), gateway(status));
}

function headline({ health, traffic }) {
  const section = byId("health");
  section.dataset.level = health.level;
  byId("mark").setAttribute("d", MARKS[health.level]);
  write(byId("headline"), health.says);
  const first = health.notes[0];
  write(byId("summary"), first ? first.more : quiet(traffic.lastMinute));
  // The first stands above already.
  const notes = health.notes.slice(1);
  const list = byId("notes");
  list.hidden = notes.length === 0;
  while (list.children.length > notes.length) list.lastElementChild.remove();
  notes.forEach((note, index) => {
    const line =
      list.children[index] ??
      list.appendChild(element("li", {}, element("span", { class: "tag" }), " ", element("strong"), " ", element("span")));
    const [tag, says, more] = line.children;
    line.dataset.level = note.level;
    write(tag, LEVELS[note.level]);
    write(says, `${note.says}.`);
    write(more, note.more);
  });
}

/** What goes on while there is nothing to see to. */
function quiet({ requests, refused, fromMemory, fetched, vendorCalls }) {
  if (requests === 0) return "Nobody asked in the last minute.";
  const asked = counted(requests, "request was", "requests were");
  const calls = counted(vendorCalls, "call", "calls");
  const known = fromMemory + fetched > 0 ? `, ${share(fromMemory, fromMemory + fetched)} of the data from memory` : "";
  const of = refused > 0 ? `, ${count(refused)} of them refused` : "";
  return `In the last minute ${asked} answered${of}${known}, for ${calls} to Wesal.`;
}

function tiles({ lastMinute: minute, history }) {
  const drawn = history.reduce((sum, { seconds }) => sum + seconds, 0);
  write(byId("drawn"), drawn > 0 ? `and, drawn, the last ${length(Math.round(drawn))}` : "");
  const seconds = Math.max(minute.seconds, 1);
  const answers = minute.fromMemory + minute.fetched;
  const perSecond = (span) => span.requests / Math.max(span.seconds, 1);
  const fromMemory = ({ fromMemory, fetched }) => (fromMemory + fetched > 0 ? fromMemory / (fromMemory + fetched) : null);
  const perMinute = (span) => (span.vendorCalls * 60) / Math.max(span.seconds, 1);
  const refused = minute.refused > 0 ? `, ${count(minute.refused)} refused` : "";
  const mostRefused = minute.refused * 2 > minute.requests;
  const ratio = minute.saved === 0 ? "" : `${count(minute.saved)} saved`;
  [
    {
      name: "Requests",
      value: rate(minute.requests / seconds),
      unit: "a second",
      more: minute.failed > 0 ? `${count(minute.failed)} failed${refused}` : `${count(minute.requests)} in all${refused || ", none failed"}`,
      kind: minute.failed > 0 ? "bad" : mostRefused ? "warning" : undefined,
      values: history.map(perSecond),
    },
    {
      name: "From memory",
      value: share(minute.fromMemory, answers),
      unit: answers > 0 ? "of answers" : "",
      more: answers > 0 ? `${count(minute.fromMemory)} of ${count(answers)}` : "nothing asked for",
      values: history.map(fromMemory),
      most: 1,
    },
    {
      name: "Calls to Wesal",
      value: count(minute.vendorCalls),
      unit: "spent",
      more: minute.vendorFailed > 0 ? `${count(minute.vendorFailed)} failed` : ratio || "none saved",
      kind: minute.vendorFailed > 0 ? "bad" : undefined,
      values: history.map(perMinute),
    },
    {
      name: "Calls saved",
      value: count(minute.saved),
      unit: minute.saved === 1 ? "answer" : "answers",
      more:
        minute.vendorCalls > 0 && minute.saved > 0
          ? `${rate(minute.saved / minute.vendorCalls)} for each spent`
          : "without a call of their own",
      values: history.map(({ saved, seconds }) => (saved * 60) / Math.max(seconds, 1)),
    },
    times("Callers wait", minute.callerTimes, history.map(({ callerTimes }) => callerTimes.p95)),
    times("Wesal takes", minute.vendorTimes, history.map(({ vendorTimes }) => vendorTimes.p95)),
  ].forEach(tile);
}

const times = (name, { mean, p50, p95 }, values) => ({
  name,
  value: took(p50),
  unit: p50 === null ? "" : "median",
  more: p95 === null ? "nothing to measure" : `95 % under ${took(p95)}, mean ${took(mean)}`,
  values,
});

function tile({ name, value, unit, more, kind, values, most }, index) {
  const list = byId("tiles");
  const made =
    list.children[index] ??
    list.appendChild(
      element(
        "li",
        { class: "card tile" },
        element("h3"),
        element("p", { class: "value" }, element("span"), " ", element("span", { class: "unit" })),
        element("p", { class: "more" }),
        svg("spark"),
      ),
    );
  const [title, figure, below, chart] = made.children;
  write(title, name);
  write(figure.children[0], value);
  write(figure.children[1], unit);
  write(below, more);
  if (kind === undefined) delete below.dataset.kind;
  else below.dataset.kind = kind;
  sparkline(chart, values, Math.max(values.length, ROOM), most);
}

const LOGINS = {
  good: ["logged in", "good"],
  logging_in: ["logging in", "warning"],
  absent: ["not logged in", "warning"],
  refused: ["refused", "bad"],
  failed: ["failing", "bad"],
};
const SETBACKS = { refused: "is refused", failed: "fails" };
const BREAKERS = {
  closed: ["closed: calls are let through", "good"],
  open: ["open: no call is let through", "bad"],
  half_open: ["half open: one call is trying", "warning"],
};

function vendor(status) {
  const { login, breaker, calls, budget, pausedFor, barred } = status.vendor;
  const [state, stateKind] = LOGINS[login.state] ?? [login.state];
  const [loginSays, loginKind] = login.setback ? [`${state} still; the next login ${SETBACKS[login.setback] ?? login.setback}`, "warning"] : [state, stateKind];
  const next = login.nextTryIn === null ? "" : `, next try in ${length(login.nextTryIn)}`;
  const [breakerSays, breakerKind] = BREAKERS[breaker.state] ?? [breaker.state];
  const probe = breaker.probeIn ? `, next in ${length(breaker.probeIn)}` : "";
  const left = budget.burst > 0 ? budget.remaining / budget.burst : 0;
  const pairs = [
    ["Login", `${loginSays}${next}`, loginKind],
    ["Token", login.tokenEndsIn === null ? "no end known" : `good for ${length(login.tokenEndsIn)}`],
    ["Circuit breaker", `${breakerSays}${probe}`, breakerKind],
    ["Last good call", calls.lastGoodFor === null ? "none yet" : lastly(calls.lastGoodFor)],
    ["Budget", `${count(budget.remaining)} of ${counted(budget.burst, "call", "calls")} at once`, left === 0 ? "bad" : left < 0.25 ? "warning" : undefined, left],
    ["Pause", pausedFor === null ? "none" : `asked for by Wesal, ${length(pausedFor)} more`, pausedFor === null ? undefined : "warning"],
    ["Refused routes", barred.length === 0 ? "none" : barred.map(({ route, seconds }) => `${route} (${length(seconds)})`).join(", "), barred.length === 0 ? undefined : "warning"],
  ];
  if (calls.failing) {
    const { calls: times, outcome, since } = calls.failing;
    pairs.splice(3, 0, ["Failed since then", `${counted(times, "call", "calls")} in ${length(Math.ceil(since))}, last: ${outcome}`, "bad"]);
  }
  return pairs;
}

const lastly = (seconds) => (seconds < 2 ? "just now" : `${length(Math.floor(seconds))} ago`);

const LIVES = { serving: ["serving", "good"], draining: ["draining", "warning"], ended: ["ended", "bad"] };

function gateway(status) {
  const { readiness, inFlight, cache, configuration } = status;
  const [life, kind] = LIVES[status.lifecycle] ?? [status.lifecycle];
  const ready = readiness.ready ? "ready" : `not ready: ${readiness.reasons.join("; ")}`;
  const last = configuration.lastReload;
  const pairs = [
    ["Life", `${life}, for ${length(Math.floor(status.uptime))}`, kind],
    ["Readiness", ready, readiness.ready ? "good" : "bad"],
    ["In flight", counted(inFlight, "request", "requests")],
    ["Held", `${counted(cache.parts, "answer", "answers")}, ${bytes(cache.bytes)}`],
    ["Freshness", cache.stretch > 1 ? `${cache.stretch.toFixed(1)} times as long as set` : "as long as set", cache.stretch > 1 ? "warning" : undefined],
  ];
  if (!configuration.fromFile) pairs.push(["Configuration", "not from a file"]);
  else if (!last) pairs.push(["Configuration", "as at the start"]);
  else {
    const good = last.outcome === "good";
    pairs.push(["Configuration", `${good ? "reloaded" : "refused"} ${ago(last.at, now(status))}, ${date(last.at)}`, good ? "good" : "bad"]);
  }
  if (last?.said.length) pairs.push([last.outcome === "good" ? "Warnings" : "Faults", last.said.join("\n"), "warning"]);
  if (status.certificate) {
    const { notAfter, refused } = status.certificate;
    const good = notAfter ? `good until ${until(notAfter)}` : "no end known";
    pairs.push(["Certificate", refused ? `${good}; a newer one was refused: ${refused}` : good, refused ? "bad" : undefined]);
  }
  const waiting = configuration.needsRestart;
  pairs.push(["Needs a restart", waiting.length ? waiting.join(", ") : NONE, waiting.length ? "warning" : undefined]);
  return pairs;
}
