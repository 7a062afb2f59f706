//! Spans while they last.

use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_proto::tonic::trace::v1::{Span, span::Link};
use url::Url;

use super::{
    CallTold, FetchTold, Traceparent, TracesError,
    counts::DroppedFor,
    encode::{self, Told, Vendor},
    exporter::Exporter,
    ids::{Sampler, SpanId, TraceId, from_hex, new_span, new_trace, to_hex},
    queue::Queue,
};
use crate::{
    clock::{Moment, SharedClock},
    config::Config,
    telemetry::{Metrics, events},
};

/// `SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK`, with the flag `sampled`: every span that is recorded is.
const FLAGS: u32 = 0x101;
/// `SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK`
const REMOTE_PARENT: u32 = 0x200;

/// Where spans begin.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<Recorder>>);

struct Recorder {
    queue: Arc<Queue>,
    sampler: Sampler,
    vendor: Vendor,
    clock: SharedClock,
    metrics: Arc<Metrics>,
}

/// A place in a trace that is recorded, below which spans can stand; by default none, and then there are none.
#[derive(Clone, Default)]
pub struct TracePoint(Option<Place>);

#[derive(Clone)]
struct Place {
    recorder: Arc<Recorder>,
    trace: TraceId,
    span: SpanId,
    parent: Option<SpanId>,
}

/// A span of a fetch or a call. Without an end it is not told.
pub struct OpenSpan(Option<(Place, Moment)>);

/// A request's span, and its trace's id also where there is no span.
#[derive(Default)]
pub struct RequestSpan {
    trace: Option<[u8; 32]>,
    point: TracePoint,
    /// Behind a lock, because the layers and the handler of a request share its span.
    links: Mutex<Vec<Link>>,
}

impl Traces {
    /// Records into the exporter, if `telemetry.otlp_endpoint` is set.
    ///
    /// # Errors
    /// No connection can be prepared: there are no root certificates, for one.
    pub fn new(config: &Config, clock: SharedClock, metrics: Arc<Metrics>) -> Result<(Self, Exporter), TracesError> {
        let Some(endpoint) = &config.telemetry.otlp_endpoint else { return Ok((Self(None), Exporter::nowhere())) };
        let queue = Arc::new(Queue::default());
        let exporter = Exporter::new(endpoint, Arc::clone(&queue), clock.clone(), Arc::clone(&metrics))?;
        let vendor = Url::parse(&config.upstream.base_url).ok();
        let vendor = Vendor {
            address: vendor.as_ref().and_then(Url::host_str).unwrap_or_default().to_owned(),
            port: vendor.as_ref().and_then(Url::port_or_known_default).unwrap_or_default(),
        };
        let sampler = Sampler::new(config.telemetry.otlp_sample_ratio);
        Ok((Self(Some(Arc::new(Recorder { queue, sampler, vendor, clock, metrics }))), exporter))
    }

    /// A request begins, of which its caller said this.
    pub fn request(&self, caller: Option<Traceparent>) -> RequestSpan {
        let said = caller.map(|caller| caller.trace);
        let Some(recorder) = &self.0 else { return RequestSpan { trace: said, ..RequestSpan::default() } };
        let (trace, parent, sampled) = match caller {
            Some(Traceparent { trace, span, sampled }) => {
                (from_hex(&trace).unwrap_or_else(new_trace), from_hex(&span), sampled)
            }
            None => {
                let trace = new_trace();
                (trace, None, recorder.sampler.takes(&trace))
            }
        };
        let place = || Place { recorder: Arc::clone(recorder), trace, span: new_span(), parent };
        RequestSpan {
            trace: Some(said.unwrap_or_else(|| to_hex(&trace))),
            point: TracePoint(sampled.then(place)),
            links: Mutex::default(),
        }
    }

    /// A fetch begins that nobody asked for: the root of a trace of its own.
    pub fn fetch_ahead(&self) -> OpenSpan {
        let recorder = self.0.as_ref();
        let recorded = recorder.map(|recorder| (recorder, new_trace())).filter(|(of, trace)| of.sampler.takes(trace));
        OpenSpan(recorded.map(|(recorder, trace)| {
            let place = Place { recorder: Arc::clone(recorder), trace, span: new_span(), parent: None };
            (place, recorder.clock.now())
        }))
    }
}

impl TracePoint {
    /// A span begins below this place.
    pub fn begin(&self) -> OpenSpan {
        OpenSpan(self.0.as_ref().map(|above| {
            let place = Place { span: new_span(), parent: Some(above.span), ..above.clone() };
            (place, above.recorder.clock.now())
        }))
    }

    /// This place if it is one, else `other`.
    pub fn or_at(&mut self, other: &Self) {
        if self.0.is_none() {
            self.0.clone_from(&other.0);
        }
    }
}

impl OpenSpan {
    /// Where the spans below it belong.
    pub fn point(&self) -> TracePoint {
        TracePoint(self.0.as_ref().map(|(place, _)| place.clone()))
    }

    /// The vendor's call has ended.
    pub fn end_call(self, told: &CallTold) {
        self.end(|recorder| encode::call(told, &recorder.vendor));
    }

    /// The fetch has ended.
    pub fn end_fetch(self, told: &FetchTold) {
        self.end(|_| encode::fetch(told));
    }

    fn end(self, told: impl FnOnce(&Recorder) -> Told) {
        let Some((place, began)) = self.0 else { return };
        let took = place.recorder.clock.now().since(began);
        let told = told(&place.recorder);
        place.tell(told, took, FLAGS, Vec::new());
    }
}

impl RequestSpan {
    /// The trace's id, for the log line: the caller's, or ours if traces are sent.
    pub fn trace_id(&self) -> Option<&str> {
        self.trace.as_ref().and_then(|trace| std::str::from_utf8(trace).ok())
    }

    /// Where the spans below it belong.
    pub fn point(&self) -> TracePoint {
        self.point.clone()
    }

    /// The request waited for this fetch: it bears a link to it, unless it is the fetch's parent.
    pub fn waited_for(&self, fetch: &TracePoint) {
        let (Some(own), Some(fetch)) = (&self.point.0, &fetch.0) else { return };
        if (fetch.trace, fetch.parent) != (own.trace, Some(own.span)) {
            self.links.lock().unwrap_or_else(PoisonError::into_inner).push(Link {
                trace_id: fetch.trace.to_vec(),
                span_id: fetch.span.to_vec(),
                flags: FLAGS,
                ..Link::default()
            });
        }
    }

    /// The request has ended, with this line in the log.
    pub fn end(&self, told: &events::Request<'_>) {
        let Some(place) = self.point.0.clone() else { return };
        let remote = if place.parent.is_some() { REMOTE_PARENT } else { 0 };
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner).clone();
        place.tell(encode::request(told), told.time, FLAGS | remote, links);
    }
}

impl Place {
    /// Has the span sent, if there is room for it.
    fn tell(self, told: Told, took: std::time::Duration, flags: u32, links: Vec<Link>) {
        let Self { recorder, trace, span, parent } = self;
        let ended = u64::try_from(recorder.clock.wall().as_nanosecond()).unwrap_or(0);
        let span = Span {
            trace_id: trace.to_vec(),
            span_id: span.to_vec(),
            parent_span_id: parent.map(|parent| parent.to_vec()).unwrap_or_default(),
            flags,
            name: told.name,
            kind: told.kind.into(),
            // By the steady clock: the other may have been set meanwhile.
            start_time_unix_nano: ended.saturating_sub(u64::try_from(took.as_nanos()).unwrap_or(0)),
            end_time_unix_nano: ended,
            attributes: told.attributes,
            links,
            status: told.status,
            ..Span::default()
        };
        if !recorder.queue.push(span) {
            recorder.metrics.spans.dropped(DroppedFor::QueueFull, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::ManualClock,
        telemetry::{metrics::Present, traces::queue::MOST_WAITING},
    };

    #[test]
    fn spans_that_nobody_sends_are_dropped_and_counted_when_too_many_wait() {
        let mut config = Config::default();
        config.telemetry.otlp_endpoint = Some("http://127.0.0.1:4318".to_owned());
        let clock = Arc::new(ManualClock::at("2026-11-22T12:00:00Z".parse().unwrap()));
        let metrics = Arc::new(Metrics::new());
        // The exporter is there, and does not run.
        let (traces, _exporter) = Traces::new(&config, clock, Arc::clone(&metrics)).unwrap();
        for _ in 0..MOST_WAITING + 3 {
            traces.fetch_ahead().end_fetch(&FetchTold { route: "/x", parts: 1, calls: 1, failed: false });
        }
        let told = metrics.render(&Present::default());
        let dropped = "wesal_gateway_spans_dropped_total{reason=\"queue_full\"} 3\n";
        assert!(told.contains(dropped), "{told}");
    }
}
