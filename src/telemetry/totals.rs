//! What was counted, summed up for human eyes. Read out of the metrics' own text: so the two cannot disagree, and a
//! request is counted once only.

use std::collections::BTreeMap;

use super::Traffic;

/// Sums over the requests since the process began.
#[derive(Debug, Default, PartialEq)]
pub struct Totals {
    /// By caller; `-` for the unknown.
    pub callers: BTreeMap<String, CallerTotals>,
    /// By route.
    pub routes: BTreeMap<String, RouteTotals>,
    /// Of the mirrored routes, all together.
    pub traffic: Traffic,
}

/// Of one caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallerTotals {
    /// Requests.
    pub requests: u64,
    /// Those that were answered with 429.
    pub rate_limited: u64,
}

/// Of one route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteTotals {
    /// Requests by cache result.
    pub requests: BTreeMap<String, u64>,
    /// Requests sent to the vendor.
    pub vendor_calls: u64,
    /// Answers given without a vendor call of their own.
    pub saved: u64,
}

impl CallerTotals {
    /// What came after `earlier`.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            rate_limited: self.rate_limited.saturating_sub(earlier.rate_limited),
        }
    }
}

impl Totals {
    /// Sums up what [`Metrics::counts`](super::Metrics::counts) wrote, where these are the mirrored routes.
    pub(super) fn of(text: &str, mirrored: &[&str]) -> Self {
        let mut totals = Self::default();
        for line in text.lines().filter_map(|line| line.strip_prefix("wesal_gateway_")) {
            // A template has braces of its own.
            let Some((name, rest)) = line.split_once('{') else { continue };
            let Some((labels, count)) = rest.rsplit_once("} ") else { continue };
            let label = |name: &str| {
                labels.split(',').find_map(|label| label.strip_prefix(name)?.strip_prefix("=\"")?.strip_suffix('"'))
            };
            let route = label("route").unwrap_or_default();
            if mirrored.contains(&route) {
                add(&mut totals.traffic, name, label, count);
            }
            let Ok(count) = count.parse::<u64>() else { continue };
            let route = route.to_owned();
            match name {
                "requests_total" => {
                    let of_route = totals.routes.entry(route).or_default();
                    *of_route.requests.entry(label("cache").unwrap_or_default().to_owned()).or_default() += count;
                    let caller = totals.callers.entry(label("caller").unwrap_or_default().to_owned()).or_default();
                    caller.requests += count;
                    if label("status") == Some("429") {
                        caller.rate_limited += count;
                    }
                }
                "vendor_calls_total" => totals.routes.entry(route).or_default().vendor_calls += count,
                "vendor_calls_saved_total" if count > 0 => totals.routes.entry(route).or_default().saved += count,
                _ => {}
            }
        }
        totals
    }
}

fn add<'l>(traffic: &mut Traffic, name: &str, label: impl Fn(&str) -> Option<&'l str>, told: &str) {
    let count = told.parse::<u64>().unwrap_or_default();
    match name {
        "requests_total" => {
            traffic.requests += count;
            match label("cache") {
                Some("hit" | "stale") => traffic.from_memory += count,
                Some("miss" | "partial") => traffic.fetched += count,
                _ => {}
            }
            match label("status") {
                // Who left was not refused.
                Some("499") | None => {}
                Some(status) if status.starts_with('5') => traffic.failed += count,
                Some(status) if status.starts_with('4') => traffic.refused += count,
                Some(_) => {}
            }
        }
        "vendor_calls_total" => {
            traffic.vendor_calls += count;
            // The words of `upstream`: in all others the vendor failed, and not we or a caller.
            if !matches!(label("outcome"), Some("ok" | "rejected" | "token_dead" | "rate_limited" | "cut_short")) {
                traffic.vendor_failed += count;
            }
        }
        "vendor_calls_saved_total" => traffic.saved += count,
        _ => {
            let of_vendor = name.strip_prefix("vendor_call_duration_seconds_");
            let Some(part) = of_vendor.or_else(|| name.strip_prefix("request_duration_seconds_")) else { return };
            if of_vendor.is_none() && label("cache") == Some("none") {
                return;
            }
            let times = if of_vendor.is_some() { &mut traffic.vendor_times } else { &mut traffic.caller_times };
            let bound = label("le").and_then(|bound| bound.parse().ok());
            match (part, bound) {
                ("bucket", Some(bound)) => times.add_bucket(bound, count),
                ("sum", _) => times.add_sum(told.parse().unwrap_or_default()),
                ("count", _) => times.add_count(count),
                _ => {}
            }
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
            (Some(&caller), 200, "hit"),
            (Some(&caller), 304, "hit"),
            (Some(&caller), 429, "none"),
            (None, 401, "none"),
            (Some(&caller), 499, "none"),
        ] {
            metrics.request(&counters, caller, questions, status, cache, Duration::ZERO);
        }
        metrics.request(&counters, Some(&caller), questions, 503, "miss", Duration::from_millis(400));
        metrics.request(&counters, None, "/livez", 503, "none", Duration::ZERO);
        metrics.vendor_call(Route::Questions, "ok", Duration::from_millis(30));
        metrics.vendor_call(Route::Questions, "timeout", Duration::from_millis(50));
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
        assert_eq!(traffic.vendor_times.mean(), Some(0.04));
        // Of the three that were answered out of memory or from the vendor.
        assert_eq!(traffic.caller_times.quantile(0.5), Some(0.000_05));
        assert!((traffic.caller_times.mean().unwrap() - 0.4 / 3.0).abs() < 1e-9);
    }
}
