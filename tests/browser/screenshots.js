// Draws the dashboard as it is met in good and bad times, and the API's pages, for people to look at: node screenshots.js FOLDER

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { browser } from "./harness/browser.js";
import { grown } from "./harness/grown.js";
import { ask, freePort, gateway, keepAsking, newKey, simulate } from "./harness/processes.js";

const folder = process.argv[2] ?? "screenshots";
await mkdir(folder, { recursive: true });
const chromium = await browser();

async function take(name, admin, how) {
  const page = await chromium.open(admin, { expected: [/./], ...how });
  await page.locator("#headline").waitFor();
  await page.waitForTimeout(1500);
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
  await page.close();
}

/** A page for who writes an app; the first operation is tried, where it can be. */
async function read(name, address, { print, ...how }) {
  const page = await chromium.open(address, { expected: [/./], ...how });
  const operation = page.locator("article.operation").first();
  if (print) await page.emulateMedia({ media: "print" });
  else if ((await operation.count()) > 0) {
    await operation.locator(".try > summary").click();
    await operation.getByLabel("Your key").fill(keys[0].key);
    await operation.getByRole("button", { name: "Send" }).click();
    await operation.getByText(/, after /).waitFor();
  }
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
  await page.close();
}

const port = await freePort();
const vendor = await simulate(port, "--latency", "120ms+-30ms", "--token-ttl", "15m");
const callers = Number(process.env.CALLERS ?? 3);
const names = ["wallboard", "crm-sync", "reports", ...Array.from({ length: 200 }, (_, n) => `team-${n}-board`)].slice(0, callers);
const keys = await Promise.all(names.map(newKey));
const limits = "limits.default = { requests = 200, per = \"1s\" }\nlimits.max_queues_per_request = 200\n";
const settings = ({ listen, adminListen }) =>
  [`server.listen = ${listen}`, `admin.listen = ${adminListen}`, limits, vendor.settings, ...keys.map(({ block }) => block)].join("\n");
const world = await gateway(settings);
try {
  const dark = { colorScheme: "dark" };
  const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 };
  await take("empty-light", world.admin, {});
  const docs = `${new URL(world.api).origin}/docs`;
  await read("docs-light", docs, {});
  await read("docs-dark-phone", docs, { ...dark, ...phone });
  await read("docs-print", docs, { print: true });
  await read("docs-errors-light", `${docs}/errors`, {});
  const ids = ["01756dxx-xxxx-xxxx-xxxx-7c12cf9a0dxx", "02795dxx-xxxx-xxxx-xxxx-2f13cf5a0dxx"];
  const summary = "/analytics/runtime/queues/summary";
  const stops = keys.slice(0, 8).map(({ key }, n) => keepAsking(world.api, key, n % 2 ? "/analytics/runtime/queues/activity" : summary, { queues: ids }));
  stops.push(keepAsking(world.api, keys[1].key, "/queries/organization"));
  stops.push(keepAsking(world.api, keys[2].key, "/survey/queries/questions/100301"));
  await ask(world.api, keys[2].key, summary, { queues: [] });
  await ask(world.api, "wgw_nonsense", "/queries/organization");
  await ask(world.api, keys[0].key, "/nowhere");
  await new Promise((resolve) => setTimeout(resolve, Number(process.env.SECONDS ?? 45) * 1000));
  await take("busy-light", world.admin, {});
  await take("busy-dark", world.admin, dark);
  await take("busy-phone", world.admin, phone);
  const status = await (await fetch(`${world.admin}admin/status`)).json();
  await take("thousand-light", world.admin, { told: grown(status) });
  await take("thousand-phone", world.admin, { ...phone, told: grown(status) });
  await vendor.stop("SIGKILL");
  await new Promise((resolve) => setTimeout(resolve, 8000));
  await take("outage-light", world.admin, {});
  await take("outage-dark-phone", world.admin, { ...dark, ...phone });
  const page = await chromium.open(world.admin, { expected: [/./] });
  await page.locator("#headline").waitFor();
  await page.locator("#open-purge").click();
  await page.screenshot({ path: join(folder, "purge.png") });
  await page.keyboard.press("Escape");
  await Promise.all(stops.map((stop) => stop()));
  await world.stop("SIGKILL");
  await page.locator("#lost").waitFor();
  await page.waitForTimeout(2000);
  await page.screenshot({ path: join(folder, "gone.png") });
} finally {
  await Promise.all([world.end(), vendor.stop("SIGKILL")]);
  await chromium.close();
}
