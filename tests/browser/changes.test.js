// What changes while somebody reads the dashboard, or decides something there.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { browser } from "./harness/browser.js";
import { sandbox } from "./harness/processes.js";

let chromium;
let world;
before(async () => {
  chromium = await browser();
  world = await sandbox();
});
after(async () => {
  await chromium.close();
  await world.stop();
});

const statusNow = async () => (await fetch(`${world.admin}admin/status`)).json();

const shown = (page, selector, text) =>
  page.waitForFunction(([selector, text]) => document.querySelector(selector).textContent === text, [selector, text]);

/** Ends when what is told from now on has been drawn: who asks once more has drawn what came before. */
async function drawn(page) {
  for (let events = 0; events < 3; events += 1) await page.waitForRequest("**/admin/events");
}

/** The gateway's page as it is in another version. */
async function ofVersion(version, route) {
  const response = await route.fetch();
  const body = (await response.text()).replace(/data-version="[^"]*"/, `data-version="${version}"`);
  await route.fulfill({ response, body });
}

test("another version's page is loaded once, when it can be had, and not under the hands of who decides something", async () => {
  const status = await statusNow();
  let { version } = status;
  let told = 0;
  const health = () => ({ ...status.health, says: `Told ${(told += 1)} times` });
  const page = await chromium.open(world.admin, { told: () => ({ ...status, version, health: health() }), expected: [/503/] });
  let [asked, loads] = [0, 0];
  let answer = (route) => route.fulfill({ status: 503 });
  await page.route(world.admin, (route) => {
    if (route.request().isNavigationRequest()) loads += 1;
    else asked += 1;
    return answer(route);
  });
  await shown(page, "#version", version);
  await page.getByRole("button", { name: "Purge…" }).click();
  await page.getByRole("dialog").waitFor();
  version = "2.0.0";
  await shown(page, "#version", version);
  await drawn(page);
  assert.deepEqual([asked, loads], [0, 0]);

  await page.keyboard.press("Escape");
  await drawn(page);
  assert.ok(asked > 1 && loads === 0, `${asked}, ${loads}`);

  await page.evaluate(() => {
    const headline = document.querySelector("#headline");
    new MutationObserver(() => console.log(headline.textContent)).observe(headline, { childList: true });
  });
  let release;
  const held = new Promise((resolve) => (release = resolve));
  answer = async (route) => {
    if (route.request().isNavigationRequest()) await held;
    await ofVersion(version, route);
  };
  await page.waitForRequest((request) => request.isNavigationRequest());
  // The old page goes on until the other is there. What a page holds that is being left is not told but by itself.
  const before = told;
  await page.waitForEvent("console", (message) => Number(message.text().match(/^Told (\d+) times$/)?.[1]) > before);
  await drawn(page);
  assert.equal(loads, 1);
  const loaded = page.waitForEvent("load");
  release();
  await loaded;
  await shown(page, "#version", version);
  await drawn(page);
  assert.equal(loads, 1);
  await page.finish();
});

test("a page that nobody looked at until another version was there is loaded anew", async () => {
  const status = await statusNow();
  const version = "2.0.0";
  const page = await chromium.open(world.admin, { told: () => ({ ...status, version }), hidden: true });
  await page.getByText("Paused", { exact: true }).waitFor();
  await page.route(world.admin, (route) => ofVersion(version, route));
  const loaded = page.waitForEvent("load");
  await page.look(true);
  await loaded;
  await page.finish();
});

test("what can be purged is what there is, and no choice changes while it is made", async () => {
  const status = await statusNow();
  let routes = ["/a", "/b"];
  const page = await chromium.open(world.admin, { told: () => ({ ...status, cache: { ...status.cache, routes } }) });
  const open = () => page.getByRole("button", { name: "Purge…" }).click();
  const choice = page.getByLabel("Answers of");
  const offered = () => choice.locator("option").allTextContents();
  await open();
  await choice.selectOption("/b");
  routes = ["/a", "/b", "/c"];
  await drawn(page);
  assert.equal(await choice.inputValue(), "/b");
  await page.getByRole("button", { name: "Leave them" }).click();
  await open();
  assert.deepEqual([await offered(), await choice.inputValue()], [["all routes", "/a", "/b", "/c"], "/b"]);
  await page.getByRole("button", { name: "Leave them" }).click();
  routes = ["/x", "/y", "/z"];
  await drawn(page);
  await open();
  assert.deepEqual([await offered(), await choice.inputValue()], [["all routes", "/x", "/y", "/z"], ""]);
  await page.finish();
});

test("callers who ask alike keep their places, and who asks more comes first", async () => {
  const status = await statusNow();
  const [caller] = status.callers;
  let minute;
  const told = () => {
    const all = Object.values(minute).reduce((sum, requests) => sum + requests, 0);
    const callers = Object.entries(minute).map(([name, requests]) => ({
      ...caller,
      name,
      requests,
      lastMinute: { requests, share: requests / all, rateLimited: 0 },
    }));
    return { ...status, callers };
  };
  minute = { board: 60, crm: 61, reports: 60 };
  const page = await chromium.open(world.admin, { told });
  const order = () => page.locator("#callers tbody th").allTextContents();
  await drawn(page);
  assert.deepEqual(await order(), ["crm", "board", "reports"]);
  minute = { board: 61, crm: 60, reports: 61 };
  await drawn(page);
  assert.deepEqual(await order(), ["crm", "board", "reports"]);
  minute = { board: 60, crm: 20, reports: 90 };
  await drawn(page);
  assert.deepEqual(await order(), ["reports", "board", "crm"]);
  await page.finish();
});
