use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{
    health::{HealthInputs, HealthSummary},
    state::AdminState,
    traffic_history::TrafficSnapshot,
};
use crate::{
    auth::Caller,
    fetch::{Held, HotQueues, Readiness},
    http::{Lifecycle, recent_errors::RecentError, warnings::ActiveCertificate},
    model::Route,
    telemetry::{CallerTotals, RouteTotals},
    upstream::VendorStanding,
};

/// How the process stands, for operators (`docs/admin.md`). Nothing in it is secret.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    version: &'static str,
    /// When this was so.
    at: Timestamp,
    started_at: Timestamp,
    /// In seconds. Not what lies between the two: the machine's time may have been set.
    uptime: f64,
    /// `serving`, `draining` or `ended`.
    lifecycle: &'static str,
    readiness: Readiness,
    health: HealthSummary,
    in_flight: usize,
    traffic: TrafficSnapshot,
    callers: Vec<CallerStatus>,
    routes: BTreeMap<String, RouteStatus>,
    cache: CacheUsageStatus,
    vendor: VendorStanding,
    /// `None` without HTTPS.
    certificate: Option<Arc<ActiveCertificate>>,
    /// The last reload, and what needs a restart.
    configuration: Value,
    hot_queues: HotQueues,
    recent_errors: Vec<RecentError>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallerStatus {
    name: String,
    enabled: bool,
    expires: Option<Timestamp>,
    scopes: Vec<String>,
    may_refresh: bool,
    last_used: Option<Timestamp>,
    /// Since the process began.
    requests: u64,
    /// Those of them that were over its limit.
    rate_limited: u64,
    last_minute: CallerLastMinute,
    limit: Option<LimitStatus>,
}

/// What a caller did in about the last minute.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallerLastMinute {
    requests: u64,
    /// Of all requests of known callers, from 0 to 1.
    share: f64,
    rate_limited: u64,
}

#[derive(Serialize)]
struct LimitStatus {
    /// `default`, or `caller` for one of its own.
    name: &'static str,
    burst: u32,
    /// Seconds in which a spent burst is whole again.
    window: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RouteStatus {
    requests: BTreeMap<String, u64>,
    vendor_calls: u64,
    saved: u64,
}

#[derive(Serialize)]
struct CacheUsageStatus {
    parts: u64,
    bytes: u64,
    stretch: f64,
    /// The templates of the routes whose answers may be kept. A further one can be there with two methods.
    routes: Vec<&'static str>,
}

impl AdminState {
    /// Returns the status. It looks at the whole cache: not for a thread that responds to callers.
    pub(super) fn status(&self) -> Status {
        let state = &self.app;
        let totals = state.metrics.totals();
        let known = state.config_snapshot();
        let mut routes: Vec<_> = state.cacheable_routes().map(Route::template).collect();
        let mut seen = HashSet::new();
        routes.retain(|template| seen.insert(*template));
        let (now, at) = (state.clock.now(), state.clock.wall());
        let (traffic, minute) = self.history.snapshot(now, at, &totals);
        let of = |counted: &BTreeMap<String, CallerTotals>, caller: &Caller| {
            counted.get(caller.name.as_str()).copied().unwrap_or_default()
        };
        let all: u64 = known.callers.all().iter().map(|caller| of(&minute, caller).requests).sum();
        let quotas: Vec<_> = known.limits.quotas().collect();
        let told = |caller: &Arc<Caller>| {
            let CallerTotals { requests, rate_limited } = of(&totals.callers, caller);
            let of_minute = of(&minute, caller);
            #[expect(clippy::cast_precision_loss, reason = "a share for human eyes")]
            let share = if all == 0 { 0.0 } else { of_minute.requests as f64 / all as f64 };
            CallerStatus {
                name: caller.name.as_str().to_owned(),
                enabled: caller.enabled(),
                expires: caller.expires(),
                scopes: caller.scopes().iter().map(ToString::to_string).collect(),
                may_refresh: caller.may_refresh,
                last_used: caller.last_used(),
                requests,
                rate_limited,
                last_minute: CallerLastMinute {
                    requests: of_minute.requests,
                    share,
                    rate_limited: of_minute.rate_limited,
                },
                limit: quotas.get(caller.index).map(|quota| LimitStatus {
                    name: quota.name,
                    burst: quota.burst,
                    window: quota.window,
                }),
            }
        };
        let Held { bytes, parts, stretch } = state.parts.held();
        let route = |(route, RouteTotals { requests, vendor_calls, saved })| {
            (route, RouteStatus { requests, vendor_calls, saved })
        };
        let (vendor, readiness) = (state.wesal.standing(), state.readiness());
        let health = HealthSummary::of(&HealthInputs {
            lifecycle: state.lifecycle(),
            vendor: &vendor,
            servable: state.parts.holds_servable(),
            warnings: &state.warnings(),
            stretch,
            in_flight: state.requests_in_flight(),
            is_full: state.in_flight.is_full(),
            requests: traffic.last_minute.requests,
            failed: traffic.last_minute.failed,
            refused: traffic.last_minute.refused,
        });
        Status {
            version: env!("CARGO_PKG_VERSION"),
            at,
            started_at: state.started_at,
            uptime: now.since(state.started).as_secs_f64(),
            lifecycle: match state.lifecycle() {
                Lifecycle::Serving => "serving",
                Lifecycle::Draining => "draining",
                Lifecycle::Ended => "ended",
            },
            readiness,
            health,
            in_flight: state.requests_in_flight(),
            traffic,
            callers: known.callers.all().iter().map(told).collect(),
            routes: totals.routes.into_iter().map(route).collect(),
            cache: CacheUsageStatus { parts, bytes, stretch, routes },
            vendor,
            certificate: state.warnings.certificate(),
            configuration: self.config.status(),
            hot_queues: state.parts.hot_queues(),
            recent_errors: state.recent_errors.all(),
        }
    }
}
