//! The requests so far: their numbers, and the latest of them.

use std::collections::{BTreeMap, VecDeque};

use axum::http::{HeaderMap, Method};
use bytes::Bytes;

use super::faults::Fault;
use super::json::{Object, array, text};
use super::route::Route;

/// The bounds of the requests that are kept of a route: their number, and the bytes of their bodies.
const MAX_REQUESTS: usize = 1000;
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// A request as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The method.
    pub method: Method,
    /// The path, from `/api/v1` on, with its query.
    pub target: String,
    /// The headers in order of arrival, with lower-case names. Bytes that are not UTF-8 are replaced.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

impl Recorded {
    pub(crate) fn new(method: Method, target: String, headers: &HeaderMap, body: Bytes) -> Self {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        Self { method, target, headers, body }
    }

    /// Returns the first header of this lower-case name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// The requests of one route, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteStats {
    /// Requests that arrived.
    pub calls: u64,
    /// Queue ids in all their bodies.
    pub ids: u64,
    /// The latest request.
    pub last: Option<Recorded>,
}

/// The requests so far, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// By the name of the route. Every route is present.
    pub routes: BTreeMap<&'static str, RouteStats>,
    /// Requests for unknown paths.
    pub unknown: u64,
    /// Logins that issued a token.
    pub logins_ok: u64,
    /// Logins refused for their client id, email or password.
    pub logins_refused: u64,
    /// Requests that have arrived and whose response has not begun.
    pub in_flight: u64,
    /// The highest `in_flight` so far.
    pub peak: u64,
    /// Faults that were injected, by name.
    pub faults: BTreeMap<&'static str, u64>,
}

impl Stats {
    /// Returns the requests of a route, or 0 if no route has this name.
    #[must_use]
    pub fn calls(&self, route: &str) -> u64 {
        self.routes.get(route).map_or(0, |stats| stats.calls)
    }

    /// Returns the requests of all routes.
    #[must_use]
    pub fn total_calls(&self) -> u64 {
        self.routes.values().map(|stats| stats.calls).sum()
    }

    /// Returns the body of `/stats`. Of the latest request it has the method and the target only, since the rest may hold
    /// credentials.
    pub(crate) fn to_json(&self, time: &str, last_code: Option<&str>) -> String {
        let routes = Route::ALL.iter().map(|route| {
            let stats = self.routes.get(route.name()).cloned().unwrap_or_default();
            let last = stats.last.as_ref().map(|call| text(&format!("{} {}", call.method, call.target)));
            Object::new()
                .text("route", route.name())
                .raw("calls", stats.calls)
                .raw("ids", stats.ids)
                .raw("last", last.as_deref().unwrap_or("null"))
                .close()
        });
        let faults =
            self.faults.iter().map(|(name, count)| Object::new().text("fault", name).raw("count", count).close());
        Object::new()
            .text("time", time)
            .raw("routes", array(routes))
            .raw("unknown", self.unknown)
            .raw("loginsOk", self.logins_ok)
            .raw("loginsRefused", self.logins_refused)
            .raw("inFlight", self.in_flight)
            .raw("peak", self.peak)
            .raw("faults", array(faults))
            .raw("lastCode", last_code.map_or("null".to_owned(), text))
            .close()
    }
}

/// The latest requests of one route.
#[derive(Default)]
struct Latest {
    requests: VecDeque<Recorded>,
    /// The size of their bodies.
    bytes: usize,
}

/// Records requests and what becomes of them.
pub(crate) struct CallHistory {
    pub(crate) stats: Stats,
    latest: BTreeMap<Route, Latest>,
}

impl CallHistory {
    pub(crate) fn new() -> Self {
        let routes = Route::ALL.iter().map(|route| (route.name(), RouteStats::default())).collect();
        Self { stats: Stats { routes, ..Stats::default() }, latest: BTreeMap::new() }
    }

    /// Records a request that arrives. The latest is always kept, however large.
    pub(crate) fn arrive(&mut self, route: Route, request: Recorded) {
        self.stats.in_flight += 1;
        self.stats.peak = self.stats.peak.max(self.stats.in_flight);
        let stats = self.stats.routes.entry(route.name()).or_default();
        stats.calls += 1;
        stats.ids += ids_in(&request.body);
        stats.last = Some(request.clone());
        let latest = self.latest.entry(route).or_default();
        latest.bytes += request.body.len();
        latest.requests.push_back(request);
        while latest.requests.len() > MAX_REQUESTS || (latest.bytes > MAX_BYTES && latest.requests.len() > 1) {
            latest.bytes -= latest.requests.pop_front().map_or(0, |oldest| oldest.body.len());
        }
    }

    pub(crate) fn leave(&mut self) {
        self.stats.in_flight = self.stats.in_flight.saturating_sub(1);
    }

    pub(crate) fn fault(&mut self, fault: Fault) {
        *self.stats.faults.entry(fault.name()).or_default() += 1;
    }

    pub(crate) fn requests(&self, route: Route) -> Vec<Recorded> {
        self.latest.get(&route).map(|latest| latest.requests.iter().cloned().collect()).unwrap_or_default()
    }
}

fn ids_in(body: &Bytes) -> u64 {
    let body: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let queues = body.as_ref().and_then(|body| body.get("queues")).and_then(|queues| queues.as_array());
    queues.map_or(0, |queues| queues.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(body: Vec<u8>) -> Recorded {
        Recorded { method: Method::POST, target: "/x".to_owned(), headers: Vec::new(), body: body.into() }
    }

    #[test]
    fn kept_requests_are_bounded_in_number_and_bytes() {
        let mut history = CallHistory::new();
        for _ in 0..1500 {
            history.arrive(Route::Summary, request(br#"{"queues":["a","b"]}"#.to_vec()));
        }
        assert_eq!(history.requests(Route::Summary).len(), MAX_REQUESTS);
        assert_eq!(history.stats.calls("summary"), 1500);
        assert_eq!(history.stats.routes["summary"].ids, 3000);
        history.arrive(Route::Summary, request(vec![b' '; MAX_BYTES + 1]));
        assert_eq!(history.requests(Route::Summary).len(), 1);
    }

    #[test]
    fn peak_outlives_the_requests() {
        let mut history = CallHistory::new();
        history.arrive(Route::Login, request(Vec::new()));
        history.arrive(Route::Reset, request(Vec::new()));
        history.leave();
        history.leave();
        assert_eq!((history.stats.in_flight, history.stats.peak), (0, 2));
    }
}
