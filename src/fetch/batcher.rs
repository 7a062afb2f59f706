//! Batching without a timer (5.6): while no batch of a shape is in flight, what is missing leaves immediately; while one is,
//! the next gathers, and leaves when that has ended. A rejected call is dissolved (5.7): its ids return to the requests that
//! asked for them, and the batcher goes on. One task for each shape that is being fetched; no client's leaving cancels
//! anything.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use super::{
    batch::Batch,
    batch_task::BatchTask,
    own_calls::OwnCalls,
    prefetch::{Due, Prefetcher},
    upstream_fetch::PartFetcher,
    waiting::WaitingRequest,
};
use crate::{
    cache::Interest,
    config::Config,
    model::{Interval, PartId, Shape},
    telemetry::traces::TracePoint,
};

/// Bytes of the shapes that are being fetched at one time, at most.
pub(super) const MAX_SHAPE_BYTES: usize = 64 * 1024 * 1024;

/// The batches of all shapes.
pub(super) struct Batcher {
    queues: Mutex<Queues>,
    pub(super) fetcher: Arc<PartFetcher>,
    pub(super) own_calls: Arc<OwnCalls>,
    pub(super) prefetcher: Arc<Prefetcher>,
    max_shapes: AtomicUsize,
}

/// The shapes that are being fetched.
#[derive(Default)]
pub(super) struct Queues {
    shapes: HashMap<Shape, ShapeQueue>,
    bytes: usize,
}

/// The batches of one shape. It is there while its task runs.
pub(super) struct ShapeQueue {
    /// At most one that is not separate.
    pub(super) in_flight: Vec<Batch>,
    pub(super) next: Option<Batch>,
    /// Hot parts that are due. They go along with the next batch, or alone if one is in flight: they cannot wait for it.
    pub(super) due: Vec<(PartId, Arc<Interest>)>,
    last_number: u64,
    wake: Arc<Notify>,
}

/// As many shapes are being fetched as may be.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("too many fetches are in progress")]
pub struct Full;

/// A fetch ended without a result: it panicked, or the process is ending.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the fetch ended without a result")]
pub struct Lost;

/// A part that is to be fetched.
pub(super) struct Wanted {
    pub(super) part: PartId,
    pub(super) interest: Arc<Interest>,
    /// Whether the request waits for it; otherwise it is refreshed in the background.
    pub(super) is_awaited: bool,
}

/// A fetch outlives its clients, so there may be a few more shapes than requests.
pub(super) fn max_shapes(config: &Config) -> usize {
    config.limits.max_in_flight.get().saturating_mul(2)
}

impl Batcher {
    pub(super) fn new(
        fetcher: Arc<PartFetcher>,
        own_calls: Arc<OwnCalls>,
        prefetcher: Arc<Prefetcher>,
        max_shapes: usize,
    ) -> Arc<Self> {
        let max_shapes = AtomicUsize::new(max_shapes);
        Arc::new(Self { queues: Mutex::default(), fetcher, own_calls, prefetcher, max_shapes })
    }

    /// From now on at most so many shapes. Those that are being fetched stay.
    pub(super) fn set_max_shapes(&self, max: usize) {
        self.max_shapes.store(max, Ordering::Relaxed);
    }

    /// Those of `parts` that a call in progress will bring.
    pub(super) fn in_progress(&self, shape: &Shape, parts: &[PartId]) -> HashSet<PartId> {
        let queues = self.queues();
        let Some(queue) = queues.shapes.get(shape) else { return HashSet::new() };
        let log = self.fetcher.purges.log();
        let comes = |part: &&PartId| {
            let unpurged = |_, epoch| log.since(epoch, &shape.part((*part).clone())).is_none();
            queue.in_flight.iter().any(|batch| batch.delivers(part, unpurged))
        };
        parts.iter().filter(comes).cloned().collect()
    }

    /// Has `wanted` fetched, each part once however many ask, and delivered to `request`.
    pub(super) fn join(
        self: &Arc<Self>,
        shape: &Shape,
        interval: Option<Interval>,
        request: &Arc<WaitingRequest>,
        wanted: Vec<Wanted>,
    ) -> Result<(), Full> {
        let now = self.fetcher.clock.now();
        let (mut held, mut alone) = (Vec::new(), Vec::new());
        self.enter(shape, interval, |queue| {
            for Wanted { part, interest, is_awaited } in wanted {
                let key = shape.part(part.clone());
                let waits = is_awaited.then_some(request);
                let log = self.fetcher.purges.log();
                let takes =
                    |began, epoch| request.demand.takes(began, request.since) && log.since(epoch, &key).is_none();
                if let Some(batch) = queue.in_flight.iter_mut().find(|batch| batch.delivers(&part, takes)) {
                    batch.add(&part, &interest, waits, now);
                    continue;
                }
                drop(log);
                // Once more: a call that ended since the request looked would be made again.
                match self.fetcher.fresh(&key).filter(|kept| request.demand.takes(kept.began, request.since)) {
                    Some(kept) => held.push((part, Ok(kept))),
                    None if queue.next().has_other_spelling(&part, waits) => {
                        alone.extend(Some(part).filter(|_| is_awaited));
                    }
                    None => {
                        let next = queue.next();
                        next.asked_in(&request.trace);
                        next.add(&part, &interest, waits, now);
                    }
                }
            }
        })?;
        if !held.is_empty() {
            request.deliver(held, None, &TracePoint::default());
        }
        let queue = |part: PartId| if let PartId::Queue(queue) = part { Some(queue) } else { None };
        let alone: Vec<_> = alone.into_iter().filter_map(queue).collect();
        if !alone.is_empty() {
            self.own_calls.fetch(shape, interval, Arc::clone(request), alone);
        }
        Ok(())
    }

    /// Has hot parts fetched again. Where there is no room they expire, and are fetched when a request waits for them.
    fn refresh(self: &Arc<Self>, due: Due) {
        let Due { shape, interval, parts } = due;
        let entered = self.enter(&shape, interval, |queue| {
            for (part, interest) in &parts {
                queue.due.push((part.clone(), Arc::clone(interest)));
            }
        });
        if entered.is_err() {
            self.prefetcher.forget(&shape, parts.iter().map(|(part, _)| part));
        }
    }

    /// Runs refresh-ahead, for ever. To be run as one task.
    pub(super) async fn refresh_ahead(self: Arc<Self>) {
        loop {
            for due in self.prefetcher.next_due(&self.fetcher).await {
                self.refresh(due);
            }
        }
    }

    /// Works on the queue of `shape`, which is made, with its task, if it is not there.
    fn enter(
        self: &Arc<Self>,
        shape: &Shape,
        interval: Option<Interval>,
        work: impl FnOnce(&mut ShapeQueue),
    ) -> Result<(), Full> {
        let mut queues = self.queues();
        let Queues { shapes, bytes } = &mut *queues;
        let mut new = None;
        if !shapes.contains_key(shape) {
            if shapes.len() >= self.max_shapes.load(Ordering::Relaxed) || *bytes + shape.weight() > MAX_SHAPE_BYTES {
                return Err(Full);
            }
            *bytes += shape.weight();
            let wake = Arc::new(Notify::new());
            new = Some(BatchTask::new(self, shape, interval, Arc::clone(&wake)));
            shapes.insert(
                shape.clone(),
                ShapeQueue { in_flight: Vec::new(), next: None, due: Vec::new(), last_number: 0, wake },
            );
        }
        if let Some(queue) = shapes.get_mut(shape) {
            work(queue);
            queue.wake.notify_one();
        }
        drop(queues);
        if let Some(task) = new {
            // With the lock released: a runtime that is ending drops the task immediately, and that takes the queue away.
            tokio::spawn(task.run());
        }
        Ok(())
    }

    pub(super) fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock()
    }
}

impl Queues {
    pub(super) fn get(&mut self, shape: &Shape) -> Option<&mut ShapeQueue> {
        self.shapes.get_mut(shape)
    }

    pub(super) fn remove(&mut self, shape: &Shape) {
        if self.shapes.remove(shape).is_some() {
            self.bytes = self.bytes.saturating_sub(shape.weight());
        }
    }
}

impl ShapeQueue {
    /// The next batch.
    pub(super) fn next(&mut self) -> &mut Batch {
        let Self { next, last_number, .. } = self;
        next.get_or_insert_with(|| new_batch(last_number))
    }

    /// Whether it belongs to the task with this `wake`.
    pub(super) fn is_of(&self, wake: &Arc<Notify>) -> bool {
        Arc::ptr_eq(&self.wake, wake)
    }

    /// A batch that is dispatched beside the others.
    pub(super) fn separate(&mut self) -> Batch {
        new_batch(&mut self.last_number)
    }
}

fn new_batch(last_number: &mut u64) -> Batch {
    *last_number += 1;
    Batch::new(*last_number)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::future::BoxFuture;

    use super::*;
    use crate::{
        clock::ManualClock,
        fetch::Parts,
        model::{Figures, Forwarded, Query, QueueId, QueuesQuery, Subject},
        telemetry::{Metrics, Traces},
        upstream::{Budget, Called, TargetState, Vendor, VendorCall},
    };

    struct NoVendor;

    impl Vendor for NoVendor {
        fn call<'a>(&'a self, _: VendorCall<'a>) -> BoxFuture<'a, Called> {
            Box::pin(std::future::pending())
        }

        fn queue_target(&self, _: &Shape, _: &QueueId) -> TargetState {
            TargetState::Allowed
        }

        fn budget(&self) -> Budget {
            Budget { remaining: 1, burst: 1 }
        }
    }

    #[tokio::test]
    async fn batch_without_parts_does_not_block_its_shape() {
        let clock = Arc::new(ManualClock::at(jiff::Timestamp::UNIX_EPOCH));
        let metrics = Arc::new(Metrics::new());
        let parts = Parts::new(&Config::default(), Arc::new(NoVendor), clock, metrics, Traces::default());
        let queues = [QueueId::try_from("a".to_owned()).unwrap()].into();
        let queues = QueuesQuery { figures: Figures::Summary, queues, extended: None };
        let shape = Query { subject: Subject::Queues(queues), forwarded: Forwarded::default() }.shape();
        parts
            .batcher
            .enter(&shape, None, |queue| {
                queue.next();
            })
            .unwrap();
        let is_fetched = || parts.batcher.queues().shapes.contains_key(&shape);
        let ends = async {
            while is_fetched() {
                tokio::task::yield_now().await
            }
        };
        tokio::time::timeout(Duration::from_secs(30), ends).await.expect("the shape is blocked");
    }
}
