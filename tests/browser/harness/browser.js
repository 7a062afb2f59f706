// Chromium without a window, and a watch over what a page does that it should not.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-proxy-server",
];
/** Milliseconds: the machine may be busy with other things. */
const PATIENCE = 60_000;

/**
 * One browser with a fresh profile, which goes when it is closed. What `open` takes beside Playwright's options
 * for a context: `expected`, patterns of complaints that are no fault; `told`, an event to tell the page in place of the
 * gateway's, or what gives one each time that it asks; `hidden`, whether nobody looks at it at first; `beside`, a page whose
 * context this one is to be in.
 */
export async function browser() {
  const own = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: FLAGS, timeout: PATIENCE });
  return {
    /** Opens a page in a context of its own: no cookie, storage or cache is shared. */
    open: (url, how) => open(own, url, how),
    close: () => own.close(),
  };
}

async function open(own, url, { expected = [], told, hidden = false, beside, ...how } = {}) {
  const viewport = { width: 1280, height: 900 };
  const context = beside?.context() ?? (await own.newContext({ viewport, reducedMotion: "reduce", ...how }));
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const complaints = [];
  const complain = (text) => {
    if (!expected.some((pattern) => pattern.test(text))) complaints.push(text);
  };
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complain(`${message.text()} (${message.location().url})`);
  });
  page.on("pageerror", (error) => complain(`${error}`));
  page.on("request", (request) => {
    const address = new URL(request.url());
    if (address.protocol !== "data:" && address.origin !== new URL(url).origin) complain(`it asks ${address.origin}`);
  });
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      console.error(`against its policy: ${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  if (hidden) await page.addInitScript(() => Object.defineProperty(document, "hidden", { value: true, configurable: true }));
  if (typeof told === "function") {
    const event = () => ({ contentType: "text/event-stream", body: `data: ${JSON.stringify(told())}\n\n` });
    await page.route("**/admin/events", (route) => route.fulfill(event()));
  } else if (told !== undefined) await page.addInitScript(tell, `data: ${JSON.stringify(told)}\n\n`);
  await page.goto(url);
  return Object.assign(page, {
    /** Somebody looks at it, or at another tab. A browser without a window shows all of them. */
    look: (shown) =>
      page.evaluate((hidden) => {
        Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
      }, !shown),
    /** Closes it. Nothing went wrong in it, nothing was asked of anybody else, nothing broke its policy. */
    finish: async () => {
      await context.close();
      assert.deepEqual(complaints, []);
    },
  });
}

/** In the page: whatever it asks for tells this, and goes on, as a stream of events does. */
function tell(text) {
  window.fetch = async () =>
    new Response(
      new ReadableStream({
        start: (stream) => {
          const say = () => stream.enqueue(new TextEncoder().encode(text));
          say();
          setInterval(say, 1000);
        },
      }),
    );
}

const axe = readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Holds the page against the rules of WCAG 2.2 AA and good practice that a machine can look after. */
export async function assertAccessible(page) {
  // By the debugger, as the page's policy lets no strange script in.
  await page.evaluate(await axe);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  const told = found.violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((n) => `${n.html} ${n.failureSummary}`).join("\n")}`);
  assert.deepEqual(told, []);
}

/** Where the Tab key leads, one name after the other, until it comes round. */
export async function tabStops(page, most = 50) {
  const stops = [];
  for (let n = 0; n < most; n += 1) {
    await page.keyboard.press("Tab");
    const stop = await page.evaluate(() => {
      const at = document.activeElement;
      if (at === document.body || at === null) return null;
      const labelled = at.getAttribute("aria-labelledby");
      return (labelled ? document.getElementById(labelled).textContent : at.textContent || at.id).trim();
    });
    if (stop === null || stop === stops[0]) break;
    stops.push(stop);
  }
  return stops;
}
