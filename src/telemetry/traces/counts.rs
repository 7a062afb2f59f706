use prometheus_client::{
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use crate::telemetry::labels::ReasonLabel;

/// What became of the spans.
#[derive(Default)]
pub(in crate::telemetry) struct SpanCounts {
    exported: Counter,
    dropped: Family<ReasonLabel, Counter>,
}

/// Why a span was dropped.
#[derive(Clone, Copy)]
pub(in crate::telemetry) enum DroppedFor {
    /// Too many waited.
    QueueFull,
    /// The collector could not be reached, or was busy, for too long.
    Unreachable,
    /// The collector does not want it.
    Refused,
}

impl DroppedFor {
    const ALL: [Self; 3] = [Self::QueueFull, Self::Unreachable, Self::Refused];

    const fn label(self) -> ReasonLabel {
        let reason = match self {
            Self::QueueFull => "queue_full",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
        };
        ReasonLabel { reason }
    }
}

impl SpanCounts {
    pub(in crate::telemetry) fn register(&self, registry: &mut Registry) {
        registry.register("spans_exported", "Spans that the collector has taken", self.exported.clone());
        let help = "Spans that were dropped, because too many waited or the collector did not take them";
        registry.register("spans_dropped", help, self.dropped.clone());
        for reason in DroppedFor::ALL {
            drop(self.dropped.get_or_create(&reason.label()));
        }
    }

    pub(super) fn exported(&self, spans: u64) {
        self.exported.inc_by(spans);
    }

    pub(super) fn dropped(&self, reason: DroppedFor, spans: u64) {
        self.dropped.get_or_create(&reason.label()).inc_by(spans);
    }
}
