// The program itself, as an operator starts it: the sandbox, or the gateway and the simulated vendor apart, so that
// either can go away and come back.

import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const PROGRAM = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, "target"), "debug", "wesal-gateway");

/** Starts the program, and gives it once its output (`stdout` or `stderr`) matches each of `patterns`. */
export function start(args, stream, ...patterns) {
  const child = spawn(PROGRAM, args, { stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise((resolve) => child.once("close", (code) => resolve(code)));
  const said = { stdout: "", stderr: "" };
  const process = { said, ended, stop };
  async function stop(signal = "SIGTERM") {
    child.kill(signal);
    return ended;
  }
  return new Promise((resolve, reject) => {
    for (const name of ["stdout", "stderr"]) {
      child[name].setEncoding("utf8").on("data", (text) => {
        said[name] += text;
        const found = patterns.map((pattern) => said[stream].match(pattern));
        if (found.every(Boolean)) resolve({ ...process, found: found.map((match) => match[1]) });
      });
    }
    child.once("error", reject);
    ended.then((code) => reject(new Error(`wesal-gateway ${args[0]} ended with ${code}: ${said.stderr}`)));
  });
}

/** The sandbox: a gateway, its vendor and a key, in one process. */
export async function sandbox() {
  const patterns = [/gateway +(http:\S+)/, /demo key +(\S+)/, /dashboard +(http:\S+)/, /vendor's page +(http:\S+)/, /^(Ctrl-C)/m];
  const process = await start(["sandbox", "--port", "0"], "stdout", ...patterns);
  const [api, key, admin, vendor] = process.found;
  return { ...process, api, key, admin, vendor };
}

/** The vendor alone, at `port`. */
export async function simulate(port, ...options) {
  const listen = `127.0.0.1:${port}`;
  const process = await start(["simulate", "--listen", listen, ...options], "stdout", /(\[upstream\][\s\S]*?)\n\nCtrl-C/);
  return { ...process, settings: process.found[0] };
}

/** A key, and the block of settings for its caller. */
export async function newKey(name) {
  const { said, ended } = await start(["keys", "new", "--name", name], "stdout", /(scopes = .*)/);
  await ended;
  const block = said.stdout.slice(said.stdout.indexOf("[[callers]]"));
  return { key: said.stdout.match(/wgw_\w+/)[0], block };
}

/** A gateway with these settings, which may be started again at the same addresses after it was stopped. */
export async function gateway(settings) {
  // Another may be given a port between its choice and its use.
  for (let left = 5; left > 1; left -= 1) {
    try {
      return await gatewayAtOnce(settings);
    } catch (error) {
      if (!/in use/.test(error.message)) throw error;
    }
  }
  return gatewayAtOnce(settings);
}

async function gatewayAtOnce(settings) {
  const [port, adminPort] = [await freePort(), await freePort()];
  const folder = await mkdtemp(join(tmpdir(), "wesal-gateway-"));
  const file = join(folder, "config.toml");
  await writeFile(file, settings({ listen: `"127.0.0.1:${port}"`, adminListen: `"127.0.0.1:${adminPort}"` }));
  let process;
  const running = {
    api: `http://127.0.0.1:${port}/api/v1`,
    admin: `http://127.0.0.1:${adminPort}/`,
    file,
    start: async () => {
      process = await start(["serve", "--config", file], "stderr", /(public listens)/, /(admin listens)/);
    },
    stop: (signal) => process.stop(signal),
    end: async () => {
      await process.stop("SIGKILL");
      await rm(folder, { recursive: true });
    },
  };
  await running.start();
  return running;
}

/** A port of loopback that was free just now. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Asks a route of the gateway as an app does. */
export function ask(api, key, path, body) {
  const headers = { Authorization: key, ...(body ? { "Content-Type": "application/json" } : {}) };
  return fetch(`${api}${path}`, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
}

/** Asks again and again, until it is told to stop. */
export function keepAsking(...asked) {
  let going = true;
  const done = (async () => {
    while (going) {
      const answer = await ask(...asked).catch(() => null);
      await answer?.arrayBuffer();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  })();
  return async () => {
    going = false;
    await done;
  };
}
