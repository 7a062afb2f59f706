//! Every metric, each in one place (CONTRACT, section 10). Label values come from the configuration and the code alone,
//! never from what a caller sends, so that their number has a bound.

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

pub use super::present::{Figures, Present};
use super::{
    CacheResult, CallOutcome, Totals,
    labels::{
        AnswerLabels, CallLabels, CallerLabel, CallerOnly, OutcomeLabel, PartLabels, ReasonLabel, RequestLabels,
        RouteLabel,
    },
    present::Gauges,
    series::{LatencyHistogram, Series},
    sink,
    vitals::Vitals,
};
use crate::model::{CallerName, Further, Route};

/// The counters, and what they are written with.
pub struct Metrics {
    /// What is counted.
    counted: Registry,
    /// What is read when somebody asks.
    read: Registry,
    requests: Series<RequestLabels, Counter>,
    /// Without labels, so that it is there from the beginning whoever asks.
    internal_errors: Counter,
    request_duration: Series<AnswerLabels, LatencyHistogram>,
    vendor_calls: Series<CallLabels, Counter>,
    vendor_call_duration: Series<RouteLabel, LatencyHistogram>,
    vendor_calls_saved: Series<RouteLabel, Counter>,
    logins: Family<OutcomeLabel, Counter>,
    config_reloads: Family<OutcomeLabel, Counter>,
    /// The templates of the mirrored routes, in the order of [`Route::index`], and what is counted of each one's answers.
    routes: Vec<&'static str>,
    answers: Vec<Answers>,
    not_taken_apart: Family<RouteLabel, Counter>,
    rate_limited: Family<CallerOnly, Counter>,
    auth_failures: Family<ReasonLabel, Counter>,
    connections: Gauge,
    vitals: Vitals,
    malformed_requests: Counter,
    log_events_dropped: Counter,
    #[cfg(feature = "otlp")]
    pub(super) spans: super::traces::SpanCounts,
    present: Gauges,
    /// Who reads sets the gauges first: two at once would take each other's away.
    reading: Mutex<()>,
}

/// The counters that the requests of a connection were counted with: nearly all are of few kinds, and need not be looked up
/// each time among all that there are.
#[derive(Default)]
pub struct RequestCounters(Mutex<Vec<RequestCounter>>);

impl RequestCounters {
    const MOST: usize = 8;
}

struct RequestCounter {
    labels: RequestLabels,
    requests: Counter,
    time: LatencyHistogram,
}

/// What is counted of a route's answers.
struct Answers {
    saved: Counter,
    /// In the order of [`RESULTS`].
    parts: [Counter; RESULTS.len()],
}

const INTERNAL_ERROR: u16 = 500;

/// Where a part of an answer came from.
const RESULTS: [&str; 5] = ["hit", "stale", "fetched", "joined", "absent"];

/// From 50 microseconds, about the time of a hit, to the 20 seconds that a call with all its retries may take.
fn request_times() -> LatencyHistogram {
    LatencyHistogram::new(0.000_05, 2.5, 15)
}

/// From 5 milliseconds.
fn call_times() -> LatencyHistogram {
    LatencyHistogram::new(0.005, 2.0, 12)
}

impl Metrics {
    /// All at zero, for the reference's routes.
    pub fn new() -> Self {
        Self::of(&[])
    }

    /// All at zero, for the reference's routes and these.
    pub fn of(further: &[&'static Further]) -> Self {
        let mut metrics = Self {
            counted: Registry::with_prefix("wesal_gateway"),
            read: Registry::with_prefix("wesal_gateway"),
            requests: Series::new(Counter::default),
            internal_errors: Counter::default(),
            request_duration: Series::new(request_times),
            vendor_calls: Series::new(Counter::default),
            vendor_call_duration: Series::new(call_times),
            vendor_calls_saved: Series::new(Counter::default),
            logins: Family::default(),
            config_reloads: Family::default(),
            routes: Vec::new(),
            answers: Vec::new(),
            not_taken_apart: Family::default(),
            rate_limited: Family::default(),
            auth_failures: Family::default(),
            connections: Gauge::default(),
            vitals: Vitals::default(),
            malformed_requests: Counter::default(),
            log_events_dropped: Counter::default(),
            #[cfg(feature = "otlp")]
            spans: super::traces::SpanCounts::default(),
            present: Gauges::default(),
            reading: Mutex::default(),
        };
        metrics.register(further);
        metrics
    }

    // A counter's name gets its `_total` from the writer.
    fn register(&mut self, further: &[&'static Further]) {
        let registry = &mut self.counted;
        registry.register("requests", "Answered requests", self.requests.clone());
        let help = "Requests of callers and operators that were answered with 500, which is a bug nearly always";
        registry.register("internal_errors", help, self.internal_errors.clone());
        let help = "From a request's head to its answer";
        registry.register("request_duration_seconds", help, self.request_duration.clone());
        registry.register("vendor_calls", "Requests sent to the vendor, logins apart", self.vendor_calls.clone());
        let help = "From a vendor call's begin to its answer's end";
        registry.register("vendor_call_duration_seconds", help, self.vendor_call_duration.clone());
        registry.register("logins", "Logins at the vendor that came to an end", self.logins.clone());
        let help = "Times that the configuration was read again";
        registry.register("config_reloads", help, self.config_reloads.clone());
        // A series that begins at 1 has not grown, for who asks by how much it has: what can be known is there at zero.
        for outcome in ["good", "refused"] {
            self.config_reloads.get_or_create_owned(&OutcomeLabel { outcome });
        }
        let help = "Answers given without a vendor call of their own";
        registry.register("vendor_calls_saved", help, self.vendor_calls_saved.clone());
        let parts = Family::<PartLabels, Counter>::default();
        registry.register("parts", "Parts of answers by where they came from", parts.clone());
        let further = further.iter().copied().map(Route::Further);
        self.routes = Route::ALL.into_iter().chain(further).map(Route::template).collect();
        for route in self.routes.iter().copied() {
            self.answers.push(Answers {
                saved: self.vendor_calls_saved.get_or_create(&RouteLabel { route }),
                parts: RESULTS.map(|result| parts.get_or_create_owned(&PartLabels { route, result })),
            });
        }
        let help = "Queue answers whose rows could not be told apart, treated as a whole";
        registry.register("not_taken_apart", help, self.not_taken_apart.clone());
        for route in [Route::QueueSummary, Route::QueueActivity, Route::QueuePerformance].map(Route::template) {
            self.not_taken_apart.get_or_create_owned(&RouteLabel { route });
        }
        let help = "Requests that were refused because their caller made too many";
        registry.register("rate_limited", help, self.rate_limited.clone());
        registry.register("auth_failures", "Credentials that were refused", self.auth_failures.clone());
        registry.register("connections", "Connections of callers that are open", self.connections.clone());
        self.vitals.register(registry);
        let help = "What came on callers' connections and is no HTTP request";
        registry.register("malformed_requests", help, self.malformed_requests.clone());
        let help = "Log events that were dropped, because the log was not read fast enough";
        registry.register("log_events_dropped", help, self.log_events_dropped.clone());
        #[cfg(feature = "otlp")]
        self.spans.register(registry);
        self.present.register(&mut self.read);
    }

    /// A request was answered. `counters` are those of its
    /// connection.
    pub fn request(
        &self,
        counters: &RequestCounters,
        caller: Option<&CallerName>,
        route: &'static str,
        status: u16,
        cache: CacheResult,
        time: Duration,
    ) {
        let mut counters = counters.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |at: &RequestCounter| at.labels.fit(caller, route, status, cache);
        let place = counters.iter().position(fits).unwrap_or_else(|| {
            if counters.len() >= RequestCounters::MOST {
                counters.clear();
            }
            let labels = RequestLabels { caller: CallerLabel(caller.cloned()), route, status, cache };
            let requests = self.requests.get_or_create(&labels);
            let time = self.request_duration.get_or_create(&AnswerLabels { route, cache });
            counters.push(RequestCounter { labels, requests, time });
            counters.len() - 1
        });
        if status == INTERNAL_ERROR {
            self.internal_error();
        }
        if let Some(counter) = counters.get(place) {
            counter.requests.inc();
            counter.time.observe(time);
        }
    }

    /// A request was answered with 500: a caller's, which the others count too, or an operator's.
    pub fn internal_error(&self) {
        self.internal_errors.inc();
    }

    /// A request was sent to the vendor, and came to an end.
    pub fn vendor_call(&self, route: Route, outcome: CallOutcome, time: Duration) {
        let route = route.template();
        self.vendor_calls.get_or_create(&CallLabels { route, outcome }).inc();
        self.vendor_call_duration.get_or_create(&RouteLabel { route }).observe(time);
    }

    /// A caller made more requests than it may.
    pub fn rate_limited(&self, caller: &CallerName) {
        self.rate_limited.get_or_create(&CallerOnly { caller: CallerLabel(Some(caller.clone())) }).inc();
    }

    /// These outcomes there are of logins; each is there from the beginning.
    pub fn expect_logins(&self, outcomes: impl IntoIterator<Item = &'static str>) {
        for outcome in outcomes {
            self.logins.get_or_create_owned(&OutcomeLabel { outcome });
        }
    }

    /// These reasons there are to refuse a credential, likewise.
    pub fn expect_auth_failures(&self, reasons: impl IntoIterator<Item = &'static str>) {
        for reason in reasons {
            self.auth_failures.get_or_create_owned(&ReasonLabel { reason });
        }
    }

    /// A credential was refused.
    pub fn auth_failure(&self, reason: &'static str) {
        self.auth_failures.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// A caller's connection is open, until what this gives is dropped.
    pub fn connection(self: &Arc<Self>) -> Connected {
        self.connections.inc();
        Connected(Arc::clone(self))
    }

    /// How the process is inside.
    pub fn vitals(&self) -> &Vitals {
        &self.vitals
    }

    /// What came on a caller's connection is no HTTP request.
    pub fn malformed_request(&self) {
        self.malformed_requests.inc();
    }

    /// A login at the vendor came to an end.
    pub fn login(&self, outcome: &'static str) {
        self.logins.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// The configuration was read again.
    pub fn config_reload(&self, outcome: &'static str) {
        self.config_reloads.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// An answer was put together of so many parts that were hit, stale, fetched, joined and absent, in this order.
    /// `saved` says whether it caused no vendor call.
    pub fn answer(&self, route: Route, parts: [u32; 5], saved: bool) {
        let Some(answers) = self.answers.get(route.index()) else { return };
        for (counter, count) in answers.parts.iter().zip(parts).filter(|(_, count)| *count > 0) {
            counter.inc_by(u64::from(count));
        }
        if saved {
            answers.saved.inc();
        }
    }

    /// A queue answer's rows could not be told apart.
    pub fn not_taken_apart(&self, route: Route) {
        self.not_taken_apart.get_or_create(&RouteLabel { route: route.template() }).inc();
    }

    /// All of it as OpenMetrics text, with how things stand now.
    pub fn render(&self, present: &Present<'_>) -> String {
        let _alone = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        self.present.set(present);
        self.log_events_dropped.inner().store(sink::dropped(), Ordering::Relaxed);
        let mut text = String::with_capacity(16 * 1024);
        // Writing to a String cannot fail.
        let _ = text::encode_registry(&mut text, &self.counted)
            .and_then(|()| text::encode_registry(&mut text, &self.read))
            .and_then(|()| text::encode_eof(&mut text));
        text
    }

    /// Returns the sums of the counters.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        let is_mirrored = |route: &'static str| self.routes.contains(&route);
        self.requests.for_each(|RequestLabels { caller, route, status, cache }, counter| {
            let count = counter.get();
            *totals.route(route).requests.entry(cache.as_str().to_owned()).or_default() += count;
            totals.caller(caller.as_str()).add(*status, count);
            if is_mirrored(route) {
                totals.traffic.add_requests(*status, *cache, count);
            }
        });
        self.request_duration.for_each(|AnswerLabels { route, cache }, times| {
            if is_mirrored(route) && *cache != CacheResult::None {
                totals.traffic.caller_times.add(&times.read());
            }
        });
        self.vendor_calls.for_each(|CallLabels { route, outcome }, counter| {
            let count = counter.get();
            totals.route(route).vendor_calls += count;
            if is_mirrored(route) {
                totals.traffic.add_vendor_calls(*outcome, count);
            }
        });
        self.vendor_call_duration.for_each(|RouteLabel { route }, times| {
            if is_mirrored(route) {
                totals.traffic.vendor_times.add(&times.read());
            }
        });
        self.vendor_calls_saved.for_each(|RouteLabel { route }, counter| {
            let count = counter.get();
            if count > 0 {
                totals.route(route).saved += count;
                totals.traffic.saved += count;
            }
        });
        totals
    }
}

/// A connection that is open.
pub struct Connected(Arc<Metrics>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_who_read_at_once_both_see_the_figures() {
        let metrics = Metrics::new();
        let figures = [("memberCount".to_owned(), 1.0)];
        let figures = [Figures { queue: "q", age: Duration::ZERO, figures: &figures }];
        let present = Present { figures: &figures, ..Present::default() };
        let reads_all = || (0..500).all(|_| metrics.render(&present).contains("queue_figure{queue=\"q\""));
        std::thread::scope(|scope| {
            for reader in [scope.spawn(reads_all), scope.spawn(reads_all)] {
                assert!(reader.join().unwrap());
            }
        });
    }
}
