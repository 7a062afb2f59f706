//! The build without the feature `otlp`: nothing is recorded, and all of this compiles to nothing. A caller's own trace id is
//! kept, for the log line.

use std::{future::Future, sync::Arc};

use super::{CallTold, FetchTold, Traceparent, TracesError};
use crate::{
    clock::SharedClock,
    config::Config,
    telemetry::{Metrics, events},
};

/// Where spans begin: here, nowhere.
#[derive(Clone, Default)]
pub struct Traces(());

/// What sends them.
pub struct Exporter;

/// A place in a trace: here, none.
#[derive(Clone, Default)]
pub struct TracePoint(());

/// A span of ours.
pub struct OpenSpan;

/// A request's span: here, only the caller's trace id.
#[derive(Default)]
pub struct RequestSpan {
    trace: Option<[u8; 32]>,
}

impl Traces {
    /// Nothing is recorded.
    ///
    /// # Errors
    /// None in this build.
    pub fn new(_: &Config, _: SharedClock, _: Arc<Metrics>) -> Result<(Self, Exporter), TracesError> {
        Ok((Self(()), Exporter))
    }

    /// A request begins.
    pub fn request(&self, caller: Option<Traceparent>) -> RequestSpan {
        RequestSpan { trace: caller.map(|caller| caller.trace) }
    }

    /// A fetch begins that nobody asked for.
    pub fn fetch_ahead(&self) -> OpenSpan {
        OpenSpan
    }
}

impl Exporter {
    /// There is nothing to send.
    pub async fn run(self, _: impl Future<Output = ()>) {}
}

impl TracePoint {
    /// A span below this place.
    pub fn begin(&self) -> OpenSpan {
        OpenSpan
    }

    /// This place, or `other`.
    pub fn or_at(&mut self, _: &Self) {}
}

impl OpenSpan {
    /// Where the spans below it belong.
    pub fn point(&self) -> TracePoint {
        TracePoint(())
    }

    /// The vendor's call has ended.
    pub fn end_call(self, _: &CallTold) {}

    /// The fetch has ended.
    pub fn end_fetch(self, _: &FetchTold) {}
}

impl RequestSpan {
    /// The trace's id, for the log line.
    pub fn trace_id(&self) -> Option<&str> {
        self.trace.as_ref().and_then(|trace| std::str::from_utf8(trace).ok())
    }

    /// Where the spans below it belong.
    pub fn point(&self) -> TracePoint {
        TracePoint(())
    }

    /// The request waited for this fetch.
    pub fn waited_for(&self, _: &TracePoint) {}

    /// The request has ended.
    pub fn end(&self, _: &events::Request<'_>) {}
}
