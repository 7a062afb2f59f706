//! A request that waits for parts: where the calls that fetch them deliver what they brought.

use std::{
    collections::HashMap,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::watch;

use super::{
    bisect::max_calls,
    demand::Demand,
    upstream_fetch::{MissReason, Outcome, RejectedCall},
};
use crate::{
    clock::Moment,
    model::{CallerName, PartId, QueueId},
    telemetry::traces::TracePoint,
    upstream::{Effort, UpstreamError},
};

/// What was delivered to a request.
#[derive(Clone, Default)]
pub(super) struct Delivered {
    /// With whether a call that this request began brought it.
    pub(super) outcomes: HashMap<PartId, (Outcome, bool)>,
    /// The cost of the calls that it began.
    pub(super) effort: Effort,
    /// The fetches that it waited for.
    pub(super) traces: Vec<TracePoint>,
    /// Why a call with ids of this request alone was rejected, if one was: not an outcome of any part, but the failure of
    /// the request, should it not be known in time which ids are bad.
    pub(super) rejected: Option<UpstreamError>,
}

/// Who asks, and how: the same for all parts of a request.
pub(super) struct RequestContext {
    pub(super) caller: CallerName,
    pub(super) demand: Demand,
    pub(super) since: Moment,
    /// When it stops waiting.
    pub(super) deadline: Moment,
    pub(super) trace: TracePoint,
}

/// One request, as long as any part of it is being fetched.
pub(super) struct WaitingRequest {
    context: RequestContext,
    /// The first calls that its ids need, however they end.
    first_calls: usize,
    /// The most calls that it may cause if it is rejected.
    max_calls: usize,
    /// Calls for its ids alone, without those of a bisection.
    own_calls: AtomicUsize,
    bisection_calls: AtomicUsize,
    sender: watch::Sender<Delivered>,
}

impl Deref for WaitingRequest {
    type Target = RequestContext;

    fn deref(&self) -> &RequestContext {
        &self.context
    }
}

impl WaitingRequest {
    /// Waits for `size` parts, of which one call holds at most `per_call`. The receiver sees what is delivered, and closes
    /// when nothing more will be.
    pub(super) fn new(
        context: RequestContext,
        size: usize,
        per_call: usize,
    ) -> (Arc<Self>, watch::Receiver<Delivered>) {
        let (sender, receiver) = watch::channel(Delivered::default());
        let (first_calls, max_calls) = (size.div_ceil(per_call), max_calls(size, per_call));
        let (own_calls, bisection_calls) = Default::default();
        (Arc::new(Self { context, first_calls, max_calls, own_calls, bisection_calls, sender }), receiver)
    }

    /// Delivers what a call brought. The first outcome of a part stays: a later failure takes nothing away. `own` is the
    /// cost of the call, if this request began it.
    pub(super) fn deliver(&self, outcomes: Vec<(PartId, Outcome)>, own: Option<Effort>, trace: &TracePoint) {
        self.sender.send_modify(|so_far| {
            for (part, outcome) in outcomes {
                so_far.outcomes.entry(part).or_insert((outcome, own.is_some()));
            }
            so_far.effort += own.unwrap_or_default();
            so_far.traces.push(trace.clone());
        });
    }

    /// Delivers the same miss for `queues`.
    pub(super) fn fail(&self, queues: impl IntoIterator<Item = QueueId>, miss: &MissReason) {
        let outcomes = queues.into_iter().map(|queue| (PartId::Queue(queue), Err(miss.clone()))).collect();
        self.deliver(outcomes, None, &TracePoint::default());
    }

    /// Delivers that a call with these queues was rejected, which of them are bad not being known.
    pub(super) fn reject(&self, rejected: RejectedCall) {
        self.fail(rejected.queues, &MissReason::Upstream(rejected.error));
    }

    /// A call with ids of this request alone was rejected.
    pub(super) fn was_rejected(&self, error: UpstreamError) {
        self.sender.send_modify(|so_far| so_far.rejected = Some(error));
    }

    /// Whether the client has left.
    pub(super) fn is_gone(&self) -> bool {
        self.sender.is_closed()
    }

    /// Counts one more call for its ids alone that is not of a bisection.
    pub(super) fn count_own_call(&self) {
        self.own_calls.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one more call of a bisection; false if the request has had all calls that it may cause (5.8).
    pub(super) fn count_bisection_call(&self) -> bool {
        // First calls that the vendor accepted in a batch were not counted one by one.
        let first = self.own_calls.load(Ordering::Relaxed).max(self.first_calls);
        first + self.bisection_calls.fetch_add(1, Ordering::Relaxed) < self.max_calls
    }
}
