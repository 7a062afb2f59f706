use std::{collections::HashMap, sync::Arc};

use tokio::{
    sync::Notify,
    task::{Id, JoinSet},
};

use super::{
    batch::{Batch, Delivery},
    batcher::Batcher,
    upstream_fetch::{CallPlan, CallResult, FetchContext, MissReason, RejectedCall, is_bad},
};
use crate::{
    model::{Interval, PartId, Shape},
    telemetry::traces::{FetchTold, OpenSpan},
};

/// The task that makes the calls of one shape. However it ends, the shape's queue goes with it.
pub(super) struct BatchTask {
    batcher: Arc<Batcher>,
    shape: Shape,
    interval: Option<Interval>,
    wake: Arc<Notify>,
}

/// A batch whose calls are to be made.
struct Dispatched {
    number: u64,
    calls: Vec<(CallPlan, FetchContext)>,
    progress: Progress,
}

/// What has become of a batch's calls.
struct Progress {
    span: OpenSpan,
    parts: usize,
    calls_left: usize,
    vendor_calls: u32,
    any_failed: bool,
    all_failed: bool,
}

impl BatchTask {
    pub(super) fn new(batcher: &Arc<Batcher>, shape: &Shape, interval: Option<Interval>, wake: Arc<Notify>) -> Self {
        Self { batcher: Arc::clone(batcher), shape: shape.clone(), interval, wake }
    }

    /// Makes calls until there is nothing left to fetch.
    pub(super) async fn run(self) {
        let mut calls: JoinSet<CallResult> = JoinSet::new();
        let mut of_calls: HashMap<Id, (u64, Vec<PartId>)> = HashMap::new();
        let mut batches: HashMap<u64, Progress> = HashMap::new();
        let mut separate = None;
        loop {
            for dispatched in separate.take().into_iter().chain(self.dispatch_next()) {
                let Dispatched { number, calls: planned, progress } = dispatched;
                batches.insert(number, progress);
                for (plan, context) in planned {
                    let parts = plan.parts();
                    let task = calls.spawn(async move { context.call(plan).await });
                    of_calls.insert(task.id(), (number, parts));
                }
            }
            if calls.is_empty() && self.close_if_idle() {
                return;
            }
            let (id, result) = tokio::select! {
                Some(ended) = calls.join_next_with_id() => match ended {
                    Ok((id, result)) => (id, Some(result)),
                    Err(error) => (error.id(), None),
                },
                () = self.wake.notified() => continue,
            };
            let Some((number, parts)) = of_calls.remove(&id) else { continue };
            let Some(mut progress) = batches.remove(&number) else { continue };
            // A call that panicked brings nothing: the requests learn that their parts were lost.
            let result = result.unwrap_or_else(|| CallResult::all(parts, &MissReason::Lost));
            progress.count(&result);
            separate = self.call_ended(number, result, &progress);
            if progress.calls_left == 0 {
                self.batch_ended(number, progress);
            } else {
                batches.insert(number, progress);
            }
        }
    }

    /// Takes the queue away if nothing is in flight or gathers. Gives whether it did.
    fn close_if_idle(&self) -> bool {
        let mut queues = self.batcher.queues();
        let is_idle = queues
            .get(&self.shape)
            .is_none_or(|queue| queue.next.is_none() && queue.due.is_empty() && queue.in_flight.is_empty());
        if is_idle {
            queues.remove(&self.shape);
        }
        is_idle
    }

    /// Dispatches the next batch, if there is one and none is in flight, with the hot parts for which it has room. Hot parts
    /// that are due leave in any case.
    fn dispatch_next(&self) -> Option<Dispatched> {
        let fetcher = &self.batcher.fetcher;
        let mut queues = self.batcher.queues();
        let queue = queues.get(&self.shape)?;
        let due = std::mem::take(&mut queue.due);
        let is_in_flight = |part: &PartId| queue.in_flight.iter().any(|batch| batch.has(part));
        let due = self.batcher.prefetcher.still_due(&self.shape, due);
        let due: Vec<_> = due.into_iter().filter(|(part, _)| !is_in_flight(part)).collect();
        let is_blocked = queue.in_flight.iter().any(|batch| !batch.is_separate);
        if due.is_empty() && (is_blocked || queue.next.is_none()) {
            return None;
        }
        let mut batch = if is_blocked {
            let mut batch = queue.separate();
            batch.is_separate = true;
            batch
        } else {
            queue.next();
            queue.next.take()?
        };
        due.iter().for_each(|(part, interest)| batch.add_unawaited(part, interest));
        let room = batch.queues().next_multiple_of(fetcher.max_queues_per_call) - batch.queues();
        let mut along = self.batcher.prefetcher.along(&self.shape, fetcher.clock.now(), fetcher.stretch());
        let is_fetched = |part: &PartId| batch.has(part) || queue.in_flight.iter().any(|other| other.has(part));
        along.retain(|(part, _)| matches!(part, PartId::Queue(_)) && !is_fetched(part));
        along.iter().take(room).for_each(|(part, interest)| batch.add_unawaited(part, interest));
        if batch.is_empty() {
            // No call would end it, and it would block all later batches.
            return None;
        }
        let dispatched = self.dispatch(&mut batch);
        queue.in_flight.push(batch);
        Some(dispatched)
    }

    fn dispatch(&self, batch: &mut Batch) -> Dispatched {
        let fetcher = &self.batcher.fetcher;
        let span = batch.asker().map_or_else(|| fetcher.traces.fetch_ahead(), |asker| asker.begin());
        let parts = batch.dispatch(fetcher.clock.now(), fetcher.purges.epoch());
        let number_of_parts = parts.len();
        let context = |plan: CallPlan| {
            let parts = plan.parts();
            let context = FetchContext {
                fetcher: Arc::clone(fetcher),
                shape: self.shape.clone(),
                interval: self.interval,
                caller: batch.only_caller(&parts),
                trace: span.point(),
                interests: batch.interests(&parts),
            };
            (plan, context)
        };
        let calls: Vec<_> = fetcher.plan(parts).into_iter().map(context).collect();
        let progress = Progress {
            span,
            parts: number_of_parts,
            calls_left: calls.len(),
            vendor_calls: 0,
            any_failed: false,
            all_failed: true,
        };
        Dispatched { number: batch.number, calls, progress }
    }

    /// Delivers what a call brought. The ids of a rejected call return to their requests; those that no request waits for
    /// get a call of their own, which this gives.
    fn call_ended(&self, number: u64, result: CallResult, progress: &Progress) -> Option<Dispatched> {
        let Self { batcher, shape, interval, .. } = self;
        batcher.prefetcher.learn(&batcher.fetcher, shape, *interval, &result);
        let rejected = result.rejected.clone();
        let (deliveries, separate) = {
            let mut queues = batcher.queues();
            let queue = queues.get(shape)?;
            let batch = queue.in_flight.iter_mut().find(|batch| batch.number == number)?;
            let (ended, first_began) = (batch.ended(result), batch.first_began);
            let is_alone = ended.deliveries.is_empty() || batch.is_separate;
            let mut separate = None;
            if is_alone {
                // A refresh is not bisected. What is no longer fresh is removed: the next request waits for it, and finds
                // out which id is bad.
                let parts = || ended.unawaited.iter().map(|(part, _)| part);
                batcher.prefetcher.forget(shape, parts());
                parts().for_each(|part| batcher.fetcher.remove_stale(&shape.part(part.clone())));
            } else if !ended.unawaited.is_empty() {
                let mut batch = queue.separate();
                (batch.is_separate, batch.first_began) = (true, first_began);
                ended.unawaited.iter().for_each(|(part, interest)| batch.add_unawaited(part, interest));
                separate = Some(self.dispatch(&mut batch));
                queue.in_flight.push(batch);
            }
            (ended.deliveries, separate)
        };
        for Delivery { request, outcomes, returned, own } in deliveries {
            if outcomes.iter().any(|(_, outcome)| is_bad(outcome)) {
                batcher.own_calls.isolate(shape.route(), &request.caller);
            }
            request.deliver(outcomes, own, &progress.span.point());
            let Some(rejected) = rejected.as_ref().filter(|_| !returned.is_empty()) else { continue };
            let RejectedCall { queues, error } = rejected;
            if returned.len() == queues.len() {
                let rejected = RejectedCall { queues: returned, error: error.clone() };
                batcher.own_calls.rejected_alone(shape, *interval, request, rejected);
            } else {
                batcher.own_calls.fetch(shape, *interval, request, returned);
            }
        }
        separate
    }

    fn batch_ended(&self, number: u64, progress: Progress) {
        let Self { batcher, shape, .. } = self;
        let took = {
            let mut queues = batcher.queues();
            let Some(queue) = queues.get(shape) else { return };
            let Some(place) = queue.in_flight.iter().position(|batch| batch.number == number) else { return };
            let now = batcher.fetcher.clock.now();
            now.since(queue.in_flight.swap_remove(place).first_began.unwrap_or(now))
        };
        batcher.prefetcher.learn_batch(&batcher.fetcher, shape, took, progress.all_failed);
        progress.span.end_fetch(&FetchTold {
            route: shape.route().template(),
            parts: progress.parts,
            calls: progress.vendor_calls,
            failed: progress.any_failed,
        });
    }
}

impl Drop for BatchTask {
    fn drop(&mut self) {
        let mut queues = self.batcher.queues();
        // Another task may have begun with a queue of its own.
        if queues.get(&self.shape).is_some_and(|queue| queue.is_of(&self.wake)) {
            queues.remove(&self.shape);
        }
    }
}

impl Progress {
    fn count(&mut self, CallResult { outcomes, effort, rejected }: &CallResult) {
        self.calls_left = self.calls_left.saturating_sub(1);
        self.vendor_calls += effort.calls;
        self.any_failed |= rejected.is_some() || outcomes.values().any(Result::is_err);
        // That its rows cannot be split says nothing of whether the vendor works.
        let has_failed = |miss: &MissReason| matches!(miss, MissReason::Upstream(_) | MissReason::Lost);
        self.all_failed &=
            rejected.is_none() && outcomes.values().all(|outcome| outcome.as_ref().is_err_and(has_failed));
    }
}
