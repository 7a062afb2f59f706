// The dashboard, in a browser, at a gateway that runs as it would.

import assert from "node:assert/strict";
import { writeFile, readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { assertAccessible, browser, tabStops } from "./harness/browser.js";
import { grown } from "./harness/grown.js";
import { ask, freePort, gateway, keepAsking, newKey, sandbox, simulate } from "./harness/processes.js";

const SALES = "01756dxx-xxxx-xxxx-xxxx-7c12cf9a0dxx";
const SUMMARY = "/analytics/runtime/queues/summary";
const GONE = [/ERR_CONNECTION_REFUSED/, /ERR_INCOMPLETE_CHUNKED_ENCODING/, /ERR_CONNECTION_RESET/, /ERR_SOCKET_NOT_CONNECTED/];

let chromium;
before(async () => {
  chromium = await browser();
});
after(() => chromium.close());

/** Ends when the headline is one of these words. */
const headline = (page, words, options) => page.getByRole("heading", { level: 1, name: words }).waitFor(options);

/** The line of a table whose head is `name`. */
const line = (page, table, name) => page.locator(`#${table} tr`, { has: page.getByRole("rowheader", { name, exact: true }) });

describe("the sandbox's dashboard", () => {
  let world;
  before(async () => {
    world = await sandbox();
  });
  after(() => world.stop());

  test("says that all is well, with nothing yet", async () => {
    const page = await chromium.open(world.admin);
    await headline(page, "All is well");
    await page.getByText("Nobody asked in the last minute.").waitFor();
    await page.getByText("Nobody has asked yet.").waitFor();
    await assertAccessible(page);
    await page.finish();
  });

  test("goes on while an app asks", async () => {
    const page = await chromium.open(world.admin);
    const stop = keepAsking(world.api, world.key, SUMMARY, { queues: [SALES] });
    const requests = async () => Number(await line(page, "routes", SUMMARY).locator("td").first().textContent());
    await line(page, "callers", "demo").getByText("now").waitFor();
    const before = await requests();
    await page.waitForFunction((before) => Number(document.querySelector("#routes td").textContent) > before, before);
    await line(page, "hot", SALES).waitFor();
    await stop();
    await page.finish();
  });

  test("shows a caller's error with the request's id", async () => {
    const page = await chromium.open(world.admin);
    const refused = await ask(world.api, world.key, SUMMARY, { queues: [] });
    await line(page, "errors", "invalid_request").getByText(refused.headers.get("x-request-id")).waitFor();
    await page.finish();
  });

  test("is reached in whole by the keyboard, and purges only when that is said twice", async () => {
    await (await ask(world.api, world.key, "/queries/organization")).arrayBuffer();
    const page = await chromium.open(world.admin);
    await headline(page, "All is well");
    const stops = await tabStops(page);
    assert.deepEqual(
      stops.map((stop) => stop.replace(/ .*/s, "")),
      ["Skip", "Purge…", "Recent", "Callers", "Routes", "Hot"],
    );
    await page.locator("#open-purge").focus();
    const said = page.locator("#said");
    // The first answer is the harmless one, and so is Escape.
    for (const key of ["Enter", "Escape"]) {
      await page.keyboard.press("Enter");
      await page.getByRole("dialog", { name: "Make kept answers stale?" }).waitFor();
      await page.keyboard.press(key);
      await page.getByRole("dialog").waitFor({ state: "hidden" });
      assert.equal(await said.textContent(), "");
    }
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    await assertAccessible(page);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await said.getByText(/answers? (is|are) stale now/).waitFor();
    await page.finish();
  });

  test("holds against the rules in the dark and on a phone, and is no wider than that", async () => {
    const page = await chromium.open(world.admin, { colorScheme: "dark", viewport: { width: 360, height: 740 } });
    await headline(page, "All is well");
    await assertAccessible(page);
    const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(wide <= room, `${wide} in ${room}`);
    await page.finish();
  });

  test("stays readable with a thousand queues and a hundred callers", async () => {
    const told = grown(await (await fetch(`${world.admin}admin/status`)).json());
    const page = await chromium.open(world.admin, { told, viewport: { width: 360, height: 740 } });
    await page.getByText("1,000 rows, the 100 worst shown").waitFor();
    assert.deepEqual(await page.locator("#callers tbody tr, #hot tbody tr").count(), 200);
    const [wide, room, tall] = await page.evaluate(() => [
      document.documentElement.scrollWidth,
      innerWidth,
      Math.max(...[...document.querySelectorAll(".card")].map((card) => card.offsetHeight)),
    ]);
    assert.ok(wide <= room && tall < 740, `${wide} in ${room}, ${tall} high`);
    await assertAccessible(page);
    await page.finish();
  });

  test("shows each figure at its own place", async () => {
    const status = await (await fetch(`${world.admin}admin/status`)).json();
    const lastMinute = {
      ...status.traffic.lastMinute,
      seconds: 60,
      requests: 1200,
      fromMemory: 900,
      fetched: 100,
      failed: 11,
      refused: 189,
      vendorCalls: 40,
      vendorFailed: 0,
      saved: 960,
      callerTimes: { mean: 0.004, p50: 0.002, p95: 0.03 },
      vendorTimes: { mean: 0.2, p50: 0.12, p95: 0.5 },
    };
    const vendor = { ...status.vendor, budget: { remaining: 17, burst: 30 } };
    const [caller] = status.callers;
    const callers = [{ ...caller, name: "hungry", lastMinute: { requests: 300, share: 0.25, rateLimited: 7 } }];
    const told = { ...status, traffic: { ...status.traffic, lastMinute }, vendor, callers };
    const page = await chromium.open(world.admin, { told });
    const tile = async (name) => (await page.locator("#tiles > li", { hasText: name }).innerText()).replace(/\s+/g, " ");
    for (const [name, figures] of [
      ["Requests", ["20", "11 failed, 189 refused"]],
      ["From memory", ["90 %", "900 of 1,000"]],
      ["Calls to Wesal", ["40", "960 saved"]],
      ["Calls saved", ["960", "24.0 for each spent"]],
      ["Callers wait", ["2.0 ms", "30 ms", "4.0 ms"]],
      ["Wesal takes", ["120 ms", "500 ms", "200 ms"]],
    ]) {
      const shown = await tile(name);
      for (const figure of figures) assert.ok(shown.includes(figure), `${name}: ${figure}: ${shown}`);
    }
    const whole = (await page.locator("main").innerText()).replace(/\s+/g, " ");
    for (const figure of ["17 of 30", "25 %"]) assert.ok(whole.includes(figure), `${figure}: ${whole}`);
    await page.finish();
  });

  test("says that it cannot show what it is told, and does not say that the gateway is gone", async () => {
    const { hotQueues, ...told } = await (await fetch(`${world.admin}admin/status`)).json();
    assert.ok(hotQueues);
    const complaints = [];
    const expected = [{ test: (text) => complaints.push(text) > 0 }];
    const page = await chromium.open(world.admin, { told, expected });
    await page.locator("#lost", { hasText: "The gateway answers, and this page cannot show what it says" }).waitFor();
    assert.match(complaints.join("\n"), /TypeError/);
    assert.match(await page.title(), /^Not drawn/);
    await page.finish();
  });

  test("lets its connection go while nobody looks, so that more tabs than a browser has connections work", async () => {
    const first = await chromium.open(world.admin);
    await headline(first, /./);
    for (let tabs = 0; tabs < 6; tabs += 1) {
      const page = await chromium.open(world.admin, { beside: first });
      await page.getByText("Live", { exact: true }).waitFor();
      await page.look(false);
      await page.getByText("Paused", { exact: true }).waitFor();
      assert.match(await page.title(), /^Paused/);
    }
    await first.getByRole("button", { name: "Purge…" }).click();
    await first.getByRole("button", { name: "Make stale" }).click();
    await first.locator("#said").getByText(/answers? (is|are) stale now/).waitFor();
    const last = first.context().pages().at(-1);
    await last.look(true);
    await last.getByText("Live", { exact: true }).waitFor();
    await first.finish();
  });

  test("does not wait for ever for what it asked to be done, and says so meanwhile", async () => {
    const page = await chromium.open(world.admin);
    await headline(page, /./);
    await page.clock.install();
    await page.route("**/admin/cache/purge", () => {});
    await page.getByRole("button", { name: "Purge…" }).click();
    await page.getByRole("button", { name: "Make stale" }).click();
    await page.locator("#said").getByText("The gateway is asked…").waitFor();
    await page.clock.fastForward(30_000);
    await page.locator("#said").getByText("The gateway does not answer; nothing is known to have been done.").waitFor();
    await page.finish();
  });

  test("shows what callers are called as text, whatever it is", async () => {
    const page = await chromium.open(world.admin);
    await headline(page, "All is well");
    const made = await page.evaluate(async () => {
      const { table } = await import("./dashboard/draw.js");
      const target = document.createElement("table");
      table(target, "<b>x</b>", [{ title: "<i>t</i>", cell: (row) => row }], ["<img src=x onerror=alert(1)>"], "");
      return [target.querySelectorAll("b, i, img").length, target.tBodies[0].textContent];
    });
    assert.deepEqual(made, [0, "<img src=x onerror=alert(1)>"]);
    await page.finish();
  });
});

/** A gateway and a vendor of their own, until the test is over. Either can go before. */
async function apart(t, admin = "") {
  const port = await freePort();
  const vendors = [await simulate(port)];
  const [vendor] = vendors;
  t.after(() => Promise.all(vendors.map((vendor) => vendor.stop("SIGKILL"))));
  const { key, block } = await newKey("board");
  const settings = ({ listen, adminListen }) =>
    `server.listen = ${listen}\nadmin.listen = ${adminListen}\n${admin}\n${vendor.settings}\n${block}`;
  const running = await gateway(settings);
  t.after(running.end);
  const bringBack = async () => vendors.push(await simulate(port));
  const summary = () => ask(running.api, key, SUMMARY, { queues: [SALES] });
  return { ...running, vendor, bringBack, summary };
}

test("an outage of the vendor is shown within two seconds, and so is its end", async (t) => {
  // A machine that pauses longer than that is tried again.
  for (let left = 3; left > 0; left -= 1) {
    const world = await apart(t);
    const page = await chromium.open(world.admin);
    await headline(page, "All is well");
    assert.equal((await world.summary()).status, 200);
    await world.vendor.stop("SIGKILL");
    // Served from memory as long as that may be; then it is known.
    while (!(await world.summary()).headers.get("cache-status")?.includes("fwd=stale")) {}
    const known = performance.now();
    await headline(page, /^Wesal is not answering: serving what is held/);
    const shown = performance.now() - known;
    t.diagnostic(`shown ${shown.toFixed(0)} ms after it was known`);
    await page.getByText("Failed since then").waitFor();
    await assertAccessible(page);
    await world.bringBack();
    while (!(await world.summary()).headers.get("cache-status")?.includes("stored")) {}
    // What failed in the last minute is still told of, and no longer as an outage.
    await page.waitForFunction(() => !document.querySelector("#headline").textContent.includes("not answering"));
    await page.finish();
    if (shown < 2000) return;
  }
  assert.fail("never within two seconds");
});

test("a gateway that goes away is missed, and found again", async (t) => {
  const world = await apart(t);
  const page = await chromium.open(world.admin, { expected: GONE });
  await headline(page, "All is well");
  await world.stop();
  await page.getByText("The gateway does not answer.").first().waitFor();
  await page.getByText(/What is shown is .* old/).waitFor();
  assert.match(await page.title(), /^Not connected/);
  await world.start();
  await page.getByText("Live", { exact: true }).waitFor();
  await page.locator("#lost").waitFor({ state: "hidden" });
  await page.finish();
});

test("a viewer does not keep the gateway from ending", async (t) => {
  const world = await apart(t);
  const page = await chromium.open(world.admin, { expected: GONE });
  await headline(page, "All is well");
  assert.equal(await world.stop(), 0);
  await page.finish();
});

test("where there is a token the page asks for it, and keeps it for the tab", async (t) => {
  const world = await apart(t, 'admin.token = "s3cret-for-the-test"');
  const page = await chromium.open(world.admin, { expected: [/401/] });
  const field = page.getByRole("textbox", { name: "Admin token" });
  await field.waitFor();
  await assertAccessible(page);
  // What no header can hold is not even kept.
  await page.keyboard.type("п@ssword");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").getByText("a token has letters, digits and signs only").waitFor();
  await page.reload();
  await field.waitFor();
  await field.fill("wrong");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").getByText("This is not the admin token.").waitFor();
  await assertAccessible(page);
  await field.fill("s3cret-for-the-test");
  await page.keyboard.press("Enter");
  await headline(page, "All is well");
  await page.reload();
  await headline(page, "All is well");
  await page.getByRole("button", { name: "Reload configuration…" }).click();
  await page.getByRole("button", { name: "Reload", exact: true }).click();
  await page.getByText("The configuration is reloaded.").waitFor();
  // One that is kept can be forgotten whatever else goes wrong.
  await page.evaluate(() => sessionStorage.setItem("wesal-gateway admin token", "\u043f"));
  await page.reload();
  await page.getByText("The gateway does not answer.").first().waitFor();
  await page.getByRole("button", { name: "Forget token" }).click();
  await field.waitFor();
  await page.finish();
});

test("a configuration that was refused is told with its faults", async (t) => {
  const world = await apart(t);
  const page = await chromium.open(world.admin, { expected: [/400/] });
  await headline(page, "All is well");
  const good = await readFile(world.file, "utf8");
  await writeFile(world.file, `${good}\nlimits.max_in_flight = "many"\n`);
  await page.getByRole("button", { name: "Reload configuration…" }).click();
  await page.getByRole("button", { name: "Reload", exact: true }).click();
  await headline(page, "The configuration was not taken over");
  await page.locator("#gateway").getByText(/config.toml:\d+/).waitFor();
  await page.finish();
});
