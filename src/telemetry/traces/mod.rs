//! Traces: what a request, the fetches it waited for and the vendor's calls took, as spans that go out by OTLP over HTTP
//! (`telemetry.otlp_endpoint`). Only in a build with the feature `otlp`; without it the same names stand for nothing, so
//! that nobody else has to ask which build this is.
//!
//! What was decided:
//! - **A fetch** is nobody's request, and still somebody's doing: it is a child of the request that asked for it first (of
//!   those whose trace is recorded), as in the log, where that request bears the calls. The other requests that waited for
//!   it bear a link to it, so that one finds it from each of them. A fetch that nobody asked for, to refresh ahead, is the
//!   root of a trace of its own.
//! - **Sampling** is decided before a span is made. A caller's `traceparent` decides by its `sampled` flag; without one
//!   `telemetry.otlp_sample_ratio` does, by the trace's id. A request has a trace id in its log line in either case.
//! - **A span holds what the log line holds**, and no more: no path, query, address, header or body. Of the paths callers
//!   send, only the route's template. `tracestate` is not read, and the vendor gets no `traceparent`.
//! - **Only the messages come from OpenTelemetry's crates.** Their processor and exporter read `OTEL_…` variables, where only
//!   `config` reads the environment; do not tell how many spans were dropped; and live by a clock of their own.
//! - **Exporting delays nobody.** Spans wait in a queue with a bound; what does not fit, or the collector does not take, is
//!   dropped and counted.

#[cfg(feature = "otlp")]
mod counts;
#[cfg(feature = "otlp")]
mod encode;
#[cfg(feature = "otlp")]
mod exporter;
#[cfg(feature = "otlp")]
mod ids;
#[cfg(feature = "otlp")]
mod queue;
#[cfg(feature = "otlp")]
mod spans;
#[cfg(not(feature = "otlp"))]
mod unrecorded;

#[cfg(feature = "otlp")]
pub use self::{
    exporter::Exporter,
    spans::{OpenSpan, RequestSpan, TracePoint, Traces},
};
#[cfg(feature = "otlp")]
pub(super) use counts::SpanCounts;
#[cfg(not(feature = "otlp"))]
pub use unrecorded::{Exporter, OpenSpan, RequestSpan, TracePoint, Traces};

use super::CallOutcome;

/// What a caller said of the trace that its request belongs to (W3C Trace Context), as lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traceparent {
    /// The trace's id; not all zeros.
    pub trace: [u8; 32],
    /// The id of the span that caused the request; not all zeros.
    pub span: [u8; 16],
    /// Whether the caller records the trace.
    pub sampled: bool,
}

/// One request to the vendor, as its span tells it.
pub struct CallTold {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The route's template.
    pub route: &'static str,
    /// The HTTP status, if an answer came.
    pub status: Option<u16>,
    /// How it ended, in the metrics' words.
    pub outcome: CallOutcome,
    /// How many tries of the same call there were before.
    pub tries_before: u32,
}

/// A fetch, as its span tells it.
pub struct FetchTold {
    /// The route's template.
    pub route: &'static str,
    /// Parts that were to be fetched.
    pub parts: usize,
    /// Requests that were sent to the vendor.
    pub calls: u32,
    /// Whether a part could not be fetched.
    pub failed: bool,
}

/// Why spans cannot be sent.
#[derive(Debug, thiserror::Error)]
#[error("no connection to telemetry.otlp_endpoint can be prepared: {0}")]
pub struct TracesError(pub(super) String);
