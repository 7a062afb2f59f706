// The gateway's events. Read by fetch, as an EventSource cannot send a token.

const KEPT = "wesal-gateway admin token";
/** Milliseconds without a word after which the gateway is taken to be gone: it speaks each second, or says nothing in two. */
const SILENCE = 5000;
const AGAIN = [500, 1000, 2000, 4000];

export const token = {
  get: () => sessionStorage.getItem(KEPT),
  set: (text) => sessionStorage.setItem(KEPT, text),
  forget: () => sessionStorage.removeItem(KEPT),
};

/** Whether a text can stand in a header (RFC 9110, section 5.5) as a token. */
export const sendable = (text) => /^[\x21-\x7e]+$/.test(text);

/** Asks the admin listener, with the token if there is one. */
export function ask(path, options = {}) {
  const held = token.get();
  const headers = { ...options.headers, ...(held ? { Authorization: `Bearer ${held}` } : {}) };
  return fetch(path, { ...options, headers, cache: "no-store", redirect: "error" });
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Ends when somebody looks at the page. */
const looked = () =>
  new Promise((resolve) => {
    const look = () => {
      if (document.hidden) return;
      document.removeEventListener("visibilitychange", look);
      resolve();
    };
    document.addEventListener("visibilitychange", look);
    look();
  });

/**
 * Hands each event to `seen`, which must not throw. While there are none, `lost` is told why, again and again; `locked` is
 * asked for a token, and the work goes on when what it gives is fulfilled. For ever, but not while nobody looks: a browser
 * has few connections for one host, and the gateway few places for viewers. `unwatched` is told of that.
 */
export async function follow({ seen, lost, locked, unwatched }) {
  let failures = 0;
  for (;;) {
    if (document.hidden) {
      unwatched();
      await looked();
    }
    const leaving = new AbortController();
    const { signal } = leaving;
    document.addEventListener("visibilitychange", () => document.hidden && leaving.abort(), { signal });
    try {
      const silence = watch(() => leaving.abort());
      const response = await ask("admin/events", { signal }).finally(silence.heard);
      // The latter where too many wrong ones came from here.
      if (response.status === 401 || response.status === 429) {
        silence.end();
        const problem = token.get() === null ? {} : await response.json().catch(() => ({}));
        token.forget();
        await locked(problem.detail ?? "");
        continue;
      }
      if (!response.ok) {
        silence.end();
        const problem = await response.json().catch(() => ({}));
        lost(problem.detail ?? `The gateway answers ${response.status}.`);
        await pause(1000 * (Number(response.headers.get("retry-after")) || 5));
        continue;
      }
      await read(response.body, silence, (event) => {
        failures = 0;
        seen(event);
      }).finally(silence.end);
    } catch {
      // It is told below, whatever it was: refused, reset, or silent too long.
    } finally {
      leaving.abort();
    }
    if (document.hidden) continue;
    lost("The gateway does not answer.");
    await pause(AGAIN[Math.min(failures, AGAIN.length - 1)]);
    failures += 1;
  }
}

/** Calls `silent` when nothing has been heard for too long. */
function watch(silent) {
  let timer = setTimeout(silent, SILENCE);
  const end = () => clearTimeout(timer);
  const heard = () => {
    end();
    timer = setTimeout(silent, SILENCE);
  };
  return { heard, end };
}

async function read(body, silence, seen) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    silence.heard();
    held += value;
    const events = held.split("\n\n");
    held = events.pop();
    // Of several that came at once, only the last is news.
    const latest = events.filter((event) => event.startsWith("data: ")).pop();
    if (latest) seen(JSON.parse(latest.slice("data: ".length)));
  }
}
