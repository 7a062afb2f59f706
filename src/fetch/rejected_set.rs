//! Finds the bad ids of a rejected call for a whole document of several queues (5.9).

use super::{
    Parts,
    ids::once_each,
    part::Part,
    prepared_query::PreparedQuery,
    served::{Failure, FetchError},
    upstream_fetch::{Outcome, RejectedCall},
    waiting::{Delivered, RequestContext, WaitingRequest},
};
use crate::{
    clock::before,
    model::{PartId, QueueId, Shape},
    upstream::UpstreamError,
};

impl Parts {
    /// Whether one of `queues` is known to be rejected.
    pub(super) fn holds_rejected(&self, shape: &Shape, queues: &[QueueId]) -> bool {
        let is_rejected = |queue: &QueueId| {
            let held = self.fetcher.fresh(&shape.part(PartId::Queue(queue.clone())));
            held.is_some_and(|kept| matches!(kept.content, Part::Refused(_)))
        };
        queues.iter().any(is_rejected)
    }

    /// Adds the places of the bad ids to the rejection of a whole document, and bisects its ids for that.
    pub(super) async fn name_bad_ids(
        &self,
        query: &PreparedQuery,
        context: RequestContext,
        mut failure: Failure,
    ) -> Failure {
        let FetchError::Refused { rejection, queues: places } = &mut failure.error else { return failure };
        let ids: Vec<QueueId> = once_each(query.queues()).collect();
        if !places.is_empty() || ids.is_empty() {
            return failure;
        }
        if ids.len() == 1 {
            *places = (0..query.queues().len()).collect();
            return failure;
        }
        let deadline = context.deadline;
        let (request, mut delivered) = WaitingRequest::new(context, ids.len(), self.fetcher.max_queues_per_call);
        let parts: Vec<_> = ids.iter().cloned().map(PartId::Queue).collect();
        let rejected = RejectedCall { queues: ids, error: UpstreamError::Rejected(rejection.clone()) };
        self.batcher.own_calls.rejected_alone(query.shape(), query.interval, request, rejected);
        let all = |so_far: &Delivered| parts.iter().all(|part| so_far.outcomes.contains_key(part));
        // Where the time is up, the ids that were found by then are named.
        drop(before(self.fetcher.clock.as_ref(), deadline, delivered.wait_for(all)).await);
        let Delivered { outcomes, effort, .. } = delivered.borrow().clone();
        let is_rejected = |outcome: &Outcome| matches!(outcome, Ok(kept) if matches!(kept.content, Part::Refused(_)));
        let is_bad = |queue: &QueueId| {
            let outcome = outcomes.get(&PartId::Queue(queue.clone()));
            outcome.is_some_and(|(outcome, _)| is_rejected(outcome))
        };
        let bad = query.queues().iter().enumerate().filter(|(_, queue)| is_bad(queue));
        places.extend(bad.map(|(place, _)| place));
        failure.effort += effort;
        failure
    }
}
