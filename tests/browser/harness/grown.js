// The status of a gateway that has a hundred callers and a thousand hot queues, made of a small one's.

export function grown(status) {
  const some = (so, made) => Array.from({ length: so }, (_, n) => made(n));
  const [caller] = status.callers;
  const requests = (n) => Math.round(100_000 / (n + 1));
  const all = some(100, requests).reduce((sum, so) => sum + so, 0);
  return {
    ...status,
    callers: some(100, (n) => ({
      ...caller,
      name: `department-${n}-wallboard`,
      requests: requests(n) * 1000,
      rateLimited: n % 10 === 0 ? 1200 : 0,
      lastMinute: { requests: requests(n), share: requests(n) / all, rateLimited: n % 10 === 0 ? 12 : 0 },
      enabled: n !== 5,
      expires: n % 7 === 0 ? "2030-01-01T00:00:00Z" : null,
    })),
    recentErrors: some(50, (n) => ({
      at: status.startedAt,
      requestId: "0".repeat(30) + String(n).padStart(2, "0"),
      route: "/analytics/runtime/queues/summary",
      code: n % 2 ? "upstream_timeout" : "rate_limited",
      status: n % 2 ? 504 : 429,
      caller: `department-${n}-wallboard`,
      times: 1000 - n,
    })),
    hotQueues: {
      count: 1000,
      byFreshness: { fresh: 940, stale_while_revalidate: 40, stale_if_error: 20 },
      worst: some(100, (n) => ({
        route: "/analytics/runtime/queues/summary",
        queue: `${String(n).padStart(8, "0")}-0000-4000-8000-000000000000`,
        age: 30 - n / 4,
        freshness: n < 20 ? "stale_if_error" : "stale_while_revalidate",
      })),
    },
  };
}
