//! What has been asked of the vendor so far.

use std::collections::{BTreeMap, VecDeque};

use axum::http::{HeaderMap, Method};
use bytes::Bytes;

use super::faults::Fault;
use super::json::{Object, array, text};
use super::route::Route;

/// How many calls of a route are kept, and how many bytes of their bodies.
const KEPT: usize = 1000;
const KEPT_BYTES: usize = 8 * 1024 * 1024;

/// A call as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The method.
    pub method: Method,
    /// The path with its query, from `/api/v1` on.
    pub target: String,
    /// Every header in the order of arrival, names in lower case; bytes that are no UTF-8 are replaced.
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

    /// The first header of this lower-case name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// The calls of one route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteStats {
    /// Calls that arrived.
    pub calls: u64,
    /// Queue ids in all their bodies together.
    pub ids: u64,
    /// The latest call.
    pub last: Option<Recorded>,
}

/// What has been asked of the vendor so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// By the route's name; every route is there.
    pub routes: BTreeMap<&'static str, RouteStats>,
    /// Calls to paths that the vendor does not have.
    pub unknown: u64,
    /// Logins that gave a token.
    pub logins_ok: u64,
    /// Logins refused for their client id, email or password.
    pub logins_refused: u64,
    /// Calls being worked on now: arrived, and the answer not begun.
    pub in_flight: u64,
    /// The most calls that were ever worked on at once.
    pub peak: u64,
    /// Faults given, by name.
    pub faults: BTreeMap<&'static str, u64>,
}

impl Stats {
    /// Calls of a route; 0 for a name that no route has.
    #[must_use]
    pub fn calls(&self, route: &str) -> u64 {
        self.routes.get(route).map_or(0, |stats| stats.calls)
    }

    /// Calls of all routes.
    #[must_use]
    pub fn total_calls(&self) -> u64 {
        self.routes.values().map(|stats| stats.calls).sum()
    }

    /// As `/stats` tells them. Of the latest call only its method and target: the rest may hold credentials.
    pub(crate) fn to_json(&self, time: &str, last_code: Option<&str>) -> String {
        let known = Route::ALL.iter().filter_map(|route| self.routes.get_key_value(route.name()));
        let routes = known.map(|(name, stats)| {
            let last = stats.last.as_ref().map(|call| text(&format!("{} {}", call.method, call.target)));
            Object::new()
                .text("route", name)
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

/// The latest calls of one route, and how many there were in all.
#[derive(Default)]
struct RouteCounters {
    count: u64,
    ids: u64,
    bytes: usize,
    kept: VecDeque<Recorded>,
}

/// Where everything is written down as it happens.
#[derive(Default)]
pub(crate) struct CallHistory {
    calls: BTreeMap<Route, RouteCounters>,
    pub(crate) unknown: u64,
    pub(crate) logins_ok: u64,
    pub(crate) logins_refused: u64,
    in_flight: u64,
    peak: u64,
    faults: BTreeMap<Fault, u64>,
}

impl CallHistory {
    /// A call arrives. The latest is always kept, however large.
    pub(crate) fn arrive(&mut self, route: Route, call: Recorded) {
        self.in_flight += 1;
        self.peak = self.peak.max(self.in_flight);
        let calls = self.calls.entry(route).or_default();
        calls.count += 1;
        calls.ids += ids_in(&call.body);
        calls.bytes += call.body.len();
        calls.kept.push_back(call);
        while calls.kept.len() > KEPT || (calls.bytes > KEPT_BYTES && calls.kept.len() > 1) {
            calls.bytes -= calls.kept.pop_front().map_or(0, |oldest| oldest.body.len());
        }
    }

    pub(crate) fn leave(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    pub(crate) fn fault(&mut self, fault: Fault) {
        *self.faults.entry(fault).or_default() += 1;
    }

    pub(crate) fn requests(&self, route: Route) -> Vec<Recorded> {
        self.calls.get(&route).map(|calls| calls.kept.iter().cloned().collect()).unwrap_or_default()
    }

    pub(crate) fn last(&self, route: Route) -> Option<Recorded> {
        self.calls.get(&route).and_then(|calls| calls.kept.back()).cloned()
    }

    pub(crate) fn stats(&self) -> Stats {
        let of = |route: Route| {
            let calls = self.calls.get(&route);
            let (count, ids) = calls.map_or((0, 0), |calls| (calls.count, calls.ids));
            RouteStats { calls: count, ids, last: self.last(route) }
        };
        Stats {
            routes: Route::ALL.iter().map(|route| (route.name(), of(*route))).collect(),
            unknown: self.unknown,
            logins_ok: self.logins_ok,
            logins_refused: self.logins_refused,
            in_flight: self.in_flight,
            peak: self.peak,
            faults: self.faults.iter().map(|(fault, count)| (fault.name(), *count)).collect(),
        }
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

    fn call(body: Vec<u8>) -> Recorded {
        Recorded { method: Method::POST, target: "/x".to_owned(), headers: Vec::new(), body: body.into() }
    }

    #[test]
    fn what_is_kept_is_bounded_in_number_and_in_bytes() {
        let mut history = CallHistory::default();
        for _ in 0..1500 {
            history.arrive(Route::Summary, call(br#"{"queues":["a","b"]}"#.to_vec()));
        }
        assert_eq!(history.requests(Route::Summary).len(), KEPT);
        assert_eq!(history.stats().calls("summary"), 1500);
        assert_eq!(history.stats().routes["summary"].ids, 3000);
        history.arrive(Route::Summary, call(vec![b' '; KEPT_BYTES + 1]));
        assert_eq!(history.requests(Route::Summary).len(), 1);
    }

    #[test]
    fn the_peak_outlives_the_calls() {
        let mut history = CallHistory::default();
        history.arrive(Route::Login, call(Vec::new()));
        history.arrive(Route::Reset, call(Vec::new()));
        history.leave();
        history.leave();
        assert_eq!((history.stats().in_flight, history.stats().peak), (0, 2));
    }
}
