//! Sums of the counters, for the dashboard and `/admin/status`.

use std::collections::BTreeMap;

use super::{CacheResult, CallOutcome, series::Latencies};

/// Sums over the requests since the process began.
#[derive(Debug, Default, PartialEq)]
pub struct Totals {
    /// By caller; `-` for unknown callers.
    pub callers: BTreeMap<String, CallerTotals>,
    /// By route.
    pub routes: BTreeMap<String, RouteTotals>,
    /// Of all mirrored routes.
    pub traffic: Traffic,
}

/// The sums of one caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallerTotals {
    /// Requests.
    pub requests: u64,
    /// Requests that were answered with 429.
    pub rate_limited: u64,
}

/// The sums of one route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteTotals {
    /// Requests by cache result.
    pub requests: BTreeMap<String, u64>,
    /// Requests sent to the vendor.
    pub vendor_calls: u64,
    /// Answers given without a vendor call of their own.
    pub saved: u64,
}

/// The sums of all mirrored routes. Health checks and unknown paths are not included.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traffic {
    /// Requests.
    pub requests: u64,
    /// Requests that were answered from the cache, fresh or stale.
    pub from_memory: u64,
    /// Requests that caused or joined a vendor call for the whole answer or a part of it.
    pub fetched: u64,
    /// Requests that were answered with 5xx.
    pub failed: u64,
    /// Requests that were answered with 4xx. 499 does not count: the client disconnected.
    pub refused: u64,
    /// Requests sent to the vendor.
    pub vendor_calls: u64,
    /// Vendor calls that failed for a reason on the vendor's side.
    pub vendor_failed: u64,
    /// Answers given without a vendor call of their own.
    pub saved: u64,
    /// Durations of the requests in `from_memory` and `fetched`: refusals take no time and would hide the others.
    pub caller_times: Latencies,
    /// Durations of the vendor calls.
    pub vendor_times: Latencies,
}

/// The status of a request whose client disconnected before the response.
const CLIENT_CLOSED_REQUEST: u16 = 499;
const TOO_MANY_REQUESTS: u16 = 429;

impl Totals {
    pub(super) fn caller(&mut self, name: &str) -> &mut CallerTotals {
        self.callers.entry(name.to_owned()).or_default()
    }

    pub(super) fn route(&mut self, template: &str) -> &mut RouteTotals {
        self.routes.entry(template.to_owned()).or_default()
    }
}

impl CallerTotals {
    pub(super) fn add(&mut self, status: u16, count: u64) {
        self.requests += count;
        if status == TOO_MANY_REQUESTS {
            self.rate_limited += count;
        }
    }
}

impl Traffic {
    pub(super) fn add_requests(&mut self, status: u16, cache: CacheResult, count: u64) {
        self.requests += count;
        match cache {
            CacheResult::Hit | CacheResult::Stale => self.from_memory += count,
            CacheResult::Miss | CacheResult::Partial => self.fetched += count,
            CacheResult::None => {}
        }
        match status {
            CLIENT_CLOSED_REQUEST => {}
            500..=599 => self.failed += count,
            400..=499 => self.refused += count,
            _ => {}
        }
    }

    pub(super) fn add_vendor_calls(&mut self, outcome: CallOutcome, count: u64) {
        self.vendor_calls += count;
        if outcome.is_vendor_failure() {
            self.vendor_failed += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        model::{CallerName, Route},
        telemetry::{Metrics, metrics::RequestCounters},
    };

    #[test]
    fn what_is_counted_is_summed_up_by_caller_and_by_route() {
        let metrics = Metrics::new();
        let counters = RequestCounters::default();
        let caller = CallerName::try_from("wall-board".to_owned()).unwrap();
        let questions = Route::Questions.template();
        for (caller, status, cache) in [
            (Some(&caller), 200, CacheResult::Hit),
            (Some(&caller), 304, CacheResult::Hit),
            (Some(&caller), 429, CacheResult::None),
            (None, 401, CacheResult::None),
            (Some(&caller), 499, CacheResult::None),
        ] {
            metrics.request(&counters, caller, questions, status, cache, Duration::ZERO);
        }
        metrics.request(&counters, Some(&caller), questions, 503, CacheResult::Miss, Duration::from_millis(400));
        metrics.request(&counters, None, "/livez", 503, CacheResult::None, Duration::ZERO);
        metrics.vendor_call(Route::Questions, CallOutcome::Ok, Duration::from_millis(30));
        metrics.vendor_call(Route::Questions, CallOutcome::Timeout, Duration::from_millis(50));
        metrics.answer(Route::Questions, [1, 0, 0, 0, 0], true);
        let mut totals = metrics.totals();
        assert!(totals.routes.remove("/livez").is_some());
        let requests = BTreeMap::from([("hit".to_owned(), 2), ("miss".to_owned(), 1), ("none".to_owned(), 3)]);
        let route = RouteTotals { requests, vendor_calls: 2, saved: 1 };
        assert_eq!(totals.routes, BTreeMap::from([(questions.to_owned(), route)]));
        assert_eq!(totals.callers["wall-board"], CallerTotals { requests: 5, rate_limited: 1 });
        assert_eq!(totals.callers["-"], CallerTotals { requests: 2, rate_limited: 0 });
        let traffic = totals.traffic;
        assert_eq!((traffic.requests, traffic.from_memory, traffic.fetched), (6, 2, 1));
        assert_eq!((traffic.failed, traffic.refused), (1, 2));
        assert_eq!((traffic.vendor_calls, traffic.vendor_failed, traffic.saved), (2, 1, 1));
        assert_eq!((traffic.vendor_times.count, traffic.vendor_times.sum), (2, 0.08));
        // Of the three that were answered out of memory or from the vendor.
        assert_eq!(traffic.caller_times.buckets.first(), Some(&(0.000_05, 2)));
        assert_eq!((traffic.caller_times.count, traffic.caller_times.sum), (3, 0.4));
    }
}
