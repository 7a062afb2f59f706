//! How things stand, read when somebody asks for the metrics, and not counted.

use std::{sync::atomic::AtomicU64, time::Duration};

use jiff::Timestamp;
use prometheus_client::{
    metrics::{family::Family, gauge::Gauge, info::Info},
    registry::Registry,
};

use super::labels::{FigureLabels, QueueLabel, StateLabel};

/// How things stand when somebody asks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Present<'a> {
    /// Whether callers can be answered.
    pub ready: bool,
    /// The name of each warning, and whether it is active. A name that occurs several times is active if one of them is.
    pub warnings: &'a [(&'static str, bool)],
    /// Bytes that kept answers take, keys and bookkeeping included.
    pub cache_bytes: u64,
    /// Parts that are kept.
    pub cache_parts: u64,
    /// Requests that are worked on.
    pub in_flight: usize,
    /// Vendor calls that may be made at once.
    pub budget: u32,
    /// How many times as long as its `ttl` an answer is fresh.
    pub stretch: f64,
    /// The last moment at which the shown certificate is good, if there is one.
    pub certificate_not_after: Option<Timestamp>,
    /// Each state that the service login can be in, and whether it is.
    pub login_states: &'a [(&'static str, bool)],
    /// Each state that the breaker can be in, and whether it is.
    pub breaker_states: &'a [(&'static str, bool)],
    /// What is known of the queues whose figures are told.
    pub figures: &'a [Figures<'a>],
}

/// A queue's own figures.
#[derive(Clone, Copy, Debug)]
pub struct Figures<'a> {
    /// Which.
    pub queue: &'a str,
    /// How old they are.
    pub age: Duration,
    /// By field.
    pub figures: &'a [(String, f64)],
}

/// The gauges that tell it.
#[derive(Default)]
pub(super) struct Gauges {
    ready: Gauge,
    warnings: Family<AboutLabel, Gauge>,
    cache_bytes: Gauge,
    cache_parts: Gauge,
    in_flight: Gauge,
    budget: Gauge,
    stretch: FloatGauge,
    /// Not there without a certificate: a zero would be taken for one that expired long ago.
    certificate_not_after: Family<ListenerLabel, Gauge>,
    login_state: Family<StateLabel, Gauge>,
    breaker_state: Family<StateLabel, Gauge>,
    figure: Family<FigureLabels, FloatGauge>,
    figure_age: Family<QueueLabel, FloatGauge>,
}

/// What is warned of.
type AboutLabel = [(&'static str, &'static str); 1];
/// Which listener.
type ListenerLabel = [(&'static str, &'static str); 1];
type FloatGauge = Gauge<f64, AtomicU64>;

impl Gauges {
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "1 for the state that the service login is in";
        registry.register("login_state", help, self.login_state.clone());
        let help = "1 for the state that the circuit breaker is in";
        registry.register("breaker_state", help, self.breaker_state.clone());
        let help = "A figure of a queue's summary, as it is held (telemetry.queue_gauges)";
        registry.register("queue_figure", help, self.figure.clone());
        let help = "How long ago the call began that brought a queue's figures";
        registry.register("queue_figure_age_seconds", help, self.figure_age.clone());
        registry.register("ready", "1 while /readyz answers 200", self.ready.clone());
        let help = "1 for what somebody should see to though callers are answered";
        registry.register("warnings", help, self.warnings.clone());
        let help = "Bytes that kept answers take, keys and bookkeeping included";
        registry.register("cache_bytes", help, self.cache_bytes.clone());
        registry.register("cache_parts", "Parts that are kept", self.cache_parts.clone());
        registry.register("in_flight_requests", "Requests that are worked on", self.in_flight.clone());
        registry.register("vendor_budget_remaining", "Vendor calls that may be made at once", self.budget.clone());
        let help = "How many times as long as its ttl an answer is fresh, because the vendor's budget runs low";
        registry.register("ttl_stretch", help, self.stretch.clone());
        let help = "When the certificate that callers are shown expires, in seconds since 1970";
        registry.register("tls_certificate_not_after_seconds", help, self.certificate_not_after.clone());
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "What runs here", version);
    }

    pub(super) fn set(&self, present: &Present<'_>) {
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.ready.set(i64::from(present.ready));
        for (about, _) in present.warnings {
            self.warnings.get_or_create(&[("about", *about)]).set(0);
        }
        for (about, _) in present.warnings.iter().filter(|(_, active)| *active) {
            self.warnings.get_or_create(&[("about", *about)]).set(1);
        }
        self.cache_bytes.set(count(present.cache_bytes));
        self.cache_parts.set(count(present.cache_parts));
        self.in_flight.set(i64::try_from(present.in_flight).unwrap_or(i64::MAX));
        self.budget.set(i64::from(present.budget));
        self.stretch.set(present.stretch);
        if let Some(at) = present.certificate_not_after {
            self.certificate_not_after.get_or_create(&[("listener", "public")]).set(at.as_second());
        }
        self.figure.clear();
        self.figure_age.clear();
        for Figures { queue, age, figures } in present.figures {
            let queue = (*queue).to_owned();
            for (field, figure) in *figures {
                let labels = FigureLabels { queue: queue.clone(), field: field.clone() };
                self.figure.get_or_create(&labels).set(*figure);
            }
            self.figure_age.get_or_create(&QueueLabel { queue }).set(age.as_secs_f64());
        }
        set_states(&self.login_state, present.login_states);
        set_states(&self.breaker_state, present.breaker_states);
    }
}

fn set_states(gauges: &Family<StateLabel, Gauge>, states: &[(&'static str, bool)]) {
    for (state, holds) in states {
        gauges.get_or_create(&StateLabel { state }).set(i64::from(*holds));
    }
}
