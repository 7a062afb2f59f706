// Lets each operation be tried where it is described. The page says all without it.

/** The key, until the page is left: it stands in the fields for it, and goes into the requests' headers. */
const keyFields = [];
/** Of these an answer's headers are shown, in this order. */
const TOLD = [
  "content-type",
  "cache-status",
  "age",
  "etag",
  "cache-control",
  "ratelimit-policy",
  "ratelimit",
  "retry-after",
  "allow",
  "www-authenticate",
  "x-request-id",
];
/** Characters of a body that are shown; a browser is slow with more. */
const MOST = 200_000;
/** Where the gateway is: a proxy may have put it below a path of its own. */
const GATEWAY = location.href.replace(/[?#].*$/, "").replace(/\/docs(\/errors)?$/, "");

for (const place of document.querySelectorAll("[data-origin]")) place.textContent = GATEWAY;
for (const operation of document.querySelectorAll(".operation")) offer(operation);

const contents = document.getElementById("contents");
const isWide = matchMedia("(min-width: 60.001rem)");
const show = () => {
  contents.open = isWide.matches;
};
isWide.addEventListener("change", show);
show();
addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("article > details:not(.try)")) folded.open = true;
});

// A browser keeps a page that is left, and shows it again as it was: with the key, and with what was answered.
addEventListener("pagehide", () => {
  for (const form of document.querySelectorAll(".try form")) form.reset();
  for (const answer of document.querySelectorAll(".answer")) {
    answer.querySelector(".said").textContent = "";
    answer.querySelector(".rest").replaceChildren();
  }
});

/** An element with these properties and children. */
function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

/** A field under its label. */
function field(name, words, properties, label) {
  const input = make(name, { autocomplete: "off", autocapitalize: "none", spellcheck: false, ...properties });
  input.defaultValue = input.value;
  return { input, label: make("label", {}, label, words ? make("small", {}, words) : "", input) };
}

/** Adds to an operation what it can be tried with. */
function offer(operation) {
  const { method, path, key: wantsKey } = operation.dataset;
  const form = make("form");
  const key = wantsKey === "yes" ? keyField() : null;
  if (key) form.append(key.label);
  const parameters = [];
  const optional = make("details", {}, make("summary", {}, "Request headers"));
  for (const { dataset } of operation.querySelectorAll("[data-in]")) {
    const { input, label } = field("input", "", { className: "plain", value: dataset.example ?? "" }, dataset.name);
    parameters.push({ place: dataset.in, name: dataset.name, input });
    (dataset.in === "header" ? optional : form).append(label);
  }
  const example = operation.querySelector(".body")?.textContent;
  const body = example === undefined ? null : bodyField(example);
  if (body) form.append(body.label);
  form.append(optional, make("button", { type: "submit", className: "strong" }, "Send"));

  const said = make("p", { className: "said" });
  said.setAttribute("role", "status");
  const rest = make("div", { className: "rest" });
  const answer = make("div", { className: "answer" }, said, rest);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.ariaBusy === "true") return;
    form.ariaBusy = "true";
    rest.replaceChildren();
    tell(said, "", "Sent; waiting for the answer.");
    try {
      await send({ method, path, key: key?.input.value.trim(), parameters, body: body?.input.value }, said, rest);
    } catch (error) {
      tell(said, "bad", `No answer: ${error.message}`);
    }
    form.ariaBusy = "false";
  });
  const summary = make("summary", {}, "Try it");
  summary.setAttribute("aria-label", `Try it: ${operation.querySelector("h3").firstChild.textContent.trim()}`);
  operation.querySelector("h4.request").before(make("details", { className: "try" }, summary, form, answer));
}

/** What is typed into one of them stands in all. */
function keyField() {
  const made = field("input", "Kept in this page until you leave it, and sent to this gateway only.", { type: "password", className: "plain" }, "Your key");
  // Password managers save what is "current"; a key is nobody's to save.
  made.input.autocomplete = "one-time-code";
  keyFields.push(made.input);
  made.input.addEventListener("input", () => {
    for (const other of keyFields) if (other !== made.input) other.value = made.input.value;
  });
  return made;
}

function bodyField(example) {
  const rows = Math.min(16, example.split("\n").length + 1);
  return field("textarea", "", { value: example, rows }, "Body");
}

function tell(said, kind, words) {
  said.dataset.kind = kind;
  said.textContent = words;
}

/** Sends a request, and shows its answer. */
async function send({ method, path, key, parameters, body }, said, rest) {
  const headers = new Headers();
  const query = new URLSearchParams();
  let address = path;
  for (const { place, name, input } of parameters) {
    if (place === "path") {
      // A browser takes these for a way to another path.
      if (/^(|\.|\.\.)$/.test(input.value)) throw new Error(`${name} must be one segment of a path.`);
      address = address.replace(`{${name}}`, () => encodeURIComponent(input.value));
    }
    else if (input.value !== "" && place === "query") query.append(name, input.value);
    else if (input.value !== "") headers.set(name, input.value);
  }
  if (key) headers.set("Authorization", key);
  if (body !== undefined) headers.set("Content-Type", "application/json");
  if (`${query}` !== "") address += `?${query}`;
  const began = performance.now();
  const answer = await fetch(GATEWAY + address, {
    method,
    headers,
    body,
    cache: "no-store",
    credentials: "omit",
    redirect: "error",
    referrerPolicy: "no-referrer",
  });
  const text = await answer.text();
  const time = Math.round(performance.now() - began);
  tell(said, answer.status < 400 ? "good" : "bad", `${answer.status} ${answer.statusText}, after ${time} ms`.replace(" ,", ","));

  const terms = make("dl", { className: "facts" });
  for (const name of TOLD) {
    const value = answer.headers.get(name);
    if (value !== null) terms.append(make("div", {}, make("dt", {}, name), make("dd", {}, value)));
  }
  rest.append(terms);
  const isJson = /json/.test(answer.headers.get("content-type") ?? "");
  const code = isJson && answer.status >= 400 ? /"code": ?"([a-z_]+)"/.exec(text)?.[1] : undefined;
  if (code) {
    const link = make("a", { href: `docs/errors#${code}` }, "What ", make("code", {}, code), " means, and what to do");
    rest.append(make("p", {}, link));
  }
  if (text !== "") {
    const shown = isJson ? indented(text.slice(0, MOST)) : text.slice(0, MOST);
    const pre = make("pre", { tabIndex: 0 }, make("code", {}, shown));
    pre.setAttribute("role", "region");
    pre.setAttribute("aria-label", "The answer's body");
    rest.append(pre);
    if (text.length > MOST) rest.append(make("p", {}, `The first ${MOST} of ${text.length} characters.`));
  }
}

/** JSON with line breaks; its values stay as they came, so that no number is written anew. */
function indented(json) {
  let depth = 0;
  const line = () => `\n${"  ".repeat(Math.max(0, depth))}`;
  return json.replace(/("(?:[^"\\]|\\.)*"?)|\s+|([{[])\s*([}\]])?|([}\]])|(,)|(:)/g, (_, string, open, empty, close, comma, colon) => {
    if (string) return string;
    if (empty) return open + empty;
    if (open) {
      depth += 1;
      return open + line();
    }
    if (close) {
      depth -= 1;
      return line() + close;
    }
    if (comma) return comma + line();
    return colon ? ": " : "";
  });
}
