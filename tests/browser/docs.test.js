// The pages for who writes an app, in a browser, at the sandbox.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertAccessible, browser } from "./harness/browser.js";
import { sandbox } from "./harness/processes.js";

const SALES = "01756dxx-xxxx-xxxx-xxxx-7c12cf9a0dxx";
const WIDTHS = [
  ["light", {}],
  ["dark on a phone", { colorScheme: "dark", viewport: { width: 360, height: 740 } }],
];

let chromium, world, docs;
before(async () => {
  [chromium, world] = await Promise.all([browser(), sandbox()]);
  docs = `${new URL(world.api).origin}/docs`;
});
after(() => Promise.all([chromium.close(), world.stop()]));

/** Unfolds what an operation can be tried with. */
async function unfold(page, id) {
  const operation = page.locator(`article#${id}`);
  await operation.locator(".try > summary").click();
  const answer = operation.locator(".answer");
  return {
    operation,
    answer,
    key: operation.getByLabel("Your key"),
    body: operation.locator("textarea"),
    header: (name) => answer.locator("dl > div", { has: page.locator("dt", { hasText: new RegExp(`^${name}$`) }) }).locator("dd"),
    send: async () => {
      await operation.getByRole("button", { name: "Send" }).click();
      await answer.getByText(/, after \d+ ms$/).waitFor();
    },
  };
}

for (const [what, how] of WIDTHS) {
  for (const path of ["", "/errors"]) {
    test(`/docs${path} is read in ${what}, and is no wider than the window`, async () => {
      const page = await chromium.open(docs + path, how);
      await page.getByRole("heading", { level: 1 }).waitFor();
      await assertAccessible(page);
      const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(wide <= room, `${wide} in ${room}`);
      await page.finish();
    });
  }
}

test("all is there without a script", async () => {
  const page = await chromium.open(docs, { javaScriptEnabled: false });
  await page.getByRole("heading", { level: 3, name: "How queues stand now" }).waitFor();
  assert.equal(await page.getByText("Try it", { exact: true }).count(), 0);
  await page.finish();
});

describe("a request", () => {
  test("leaves no key and no answer behind when the page is left, which a browser keeps as it was", async () => {
    const page = await chromium.open(docs);
    const { answer, key, body, send } = await unfold(page, "query_queue_summary");
    const example = await body.inputValue();
    await key.fill(world.key);
    await body.fill(JSON.stringify({ queues: [SALES] }));
    await send();
    await page.evaluate(() => dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true })));
    const kept = await page.locator("main").evaluate((main) => {
      const typed = [...main.querySelectorAll("input, textarea")].map((field) => field.value);
      return `${typed} ${main.innerText}`;
    });
    assert.ok(!kept.includes(world.key) && !kept.includes("ratelimit-policy:"), kept);
    assert.equal((await answer.textContent()).trim(), "");
    assert.equal(await body.inputValue(), example);
    await page.finish();
  });

  test("with a path that leads elsewhere is not sent", async () => {
    const page = await chromium.open(docs);
    const { operation, answer } = await unfold(page, "get_questions");
    await operation.getByLabel("companyId").fill("..");
    await operation.getByRole("button", { name: "Send" }).click();
    await answer.getByText("companyId must be one segment of a path").waitFor();
    await page.finish();
  });

  test("is tried with one's own key, and its answer is shown", async () => {
    const page = await chromium.open(docs);
    const { answer, key, body, header, send } = await unfold(page, "query_queue_summary");
    await key.fill(world.key);
    await body.fill(JSON.stringify({ queues: [SALES] }));
    await send();
    assert.match(await answer.locator(".said").textContent(), /^200 OK, after/);
    assert.match(await header("cache-status").textContent(), /^wesal-gateway; /);
    assert.match(await header("ratelimit").textContent(), /r=\d+/);
    const shown = await answer.locator("pre").textContent();
    assert.equal(JSON.parse(shown).data.result[0].id, SALES);
    assert.ok(shown.split("\n").length > 5, shown);
    await assertAccessible(page);
    // It is in the page's fields alone.
    const kept = await page.evaluate(() => [location.href, JSON.stringify({ ...localStorage, ...sessionStorage }), document.cookie].join());
    assert.ok(!kept.includes(world.key), kept);
    assert.equal(await page.locator("article#get_organization").getByLabel("Your key").inputValue(), world.key);
    // What is fresh for minutes, however slow the browser is.
    const other = await unfold(page, "get_organization");
    await other.send();
    await other.operation.getByText("Request headers").click();
    await other.operation.getByLabel("Cache-Control").fill("no-cache");
    await other.send();
    assert.match(await other.header("cache-status").textContent(), /fwd=request/);
    await page.finish();
  });

  test("has its place in the path filled in, and is asked for conditionally", async () => {
    const page = await chromium.open(docs, { expected: [/400/] });
    const { operation, answer, key, header, send } = await unfold(page, "get_questions");
    await key.fill(world.key);
    await send();
    const etag = await header("etag").textContent();
    await operation.getByText("Request headers").click();
    await operation.getByLabel("If-None-Match").fill(etag);
    await send();
    assert.match(await answer.locator(".said").textContent(), /^304 /);
    assert.equal(await answer.locator("pre").count(), 0);
    // One segment, whatever is typed: this is not the company 2.
    await operation.getByLabel("companyId").fill("1/../2");
    await send();
    assert.equal(JSON.parse(await answer.locator("pre").textContent()).code, "invalid_request");
    await page.finish();
  });

  test("with a wrong key shows the problem, and leads to what it means", async () => {
    const page = await chromium.open(docs, { expected: [/401/] });
    const { answer, key, send } = await unfold(page, "get_organization");
    await key.fill("wgw_wrong");
    await page.keyboard.press("Enter");
    await send();
    assert.match(await answer.locator(".said").textContent(), /^401 /);
    assert.equal(JSON.parse(await answer.locator("pre").textContent()).code, "invalid_key");
    await answer.getByRole("link", { name: /What invalid_key means/ }).click();
    await page.getByRole("heading", { level: 1, name: "The errors" }).waitFor();
    assert.equal(new URL(page.url()).hash, "#invalid_key");
    await page.finish();
  });

  test("without a key is told what is missing, and a body that is no JSON what is wrong", async () => {
    const page = await chromium.open(docs, { expected: [/40[01]/] });
    const { answer, key, body, send } = await unfold(page, "query_queue_activity");
    await send();
    await answer.getByText("missing_credential").first().waitFor();
    await key.fill(world.key);
    await body.fill('{"queues": [<b>"x"</b>]}');
    await send();
    await answer.getByText("invalid_request").first().waitFor();
    assert.equal(await answer.locator("pre b, pre i").count(), 0);
    await page.finish();
  });

  test("is shown with its numbers as they came", async () => {
    const page = await chromium.open(docs);
    const odd = '{"a":1.50,"b":[],"c":{},"d":[1e400,"x\\"{,}:[",12345678901234567890],"e":"<b>é</b>"}';
    await page.route("**/queries/organization", (route) => route.fulfill({ status: 200, contentType: "application/json", body: odd }));
    const { answer, send } = await unfold(page, "get_organization");
    await send();
    const shown = await answer.locator("pre").textContent();
    assert.equal(shown.replace(/\n */g, "").replaceAll('": ', '":'), odd);
    assert.match(shown, /\n  "a": 1\.50,\n/);
    await page.finish();
  });
});

test("the page is walked by the keyboard", async () => {
  const page = await chromium.open(`${docs}#get_liveness`);
  await page.locator("article#get_liveness .try > summary").focus();
  for (const key of ["Enter", "Tab", "Tab", "Enter"]) await page.keyboard.press(key);
  await page.locator("article#get_liveness .answer").getByText("alive").waitFor();
  await page.finish();
});
