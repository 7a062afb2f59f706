//! Calls for the ids of one request alone: of requests whose ids came back from a rejected batch (5.7), and of requests
//! that are likely to be rejected. What is rejected on its own is bisected (5.8).
//!
//! A request is likely to be rejected if it names an id that was rejected before, or if another of the same caller was
//! rejected on its own lately. It is kept out of batches, so that a caller who sends bad ids again and again delays nobody.

use std::{collections::HashMap, sync::Arc};

use parking_lot::{Mutex, MutexGuard};
use tokio::{sync::Semaphore, task::JoinSet};

use super::{
    bisect::Bisection,
    keyed_permits::KeyedPermits,
    part::Part,
    prefetch::Prefetcher,
    upstream_fetch::{CallPlan, CallResult, FetchContext, MissReason, PartFetcher, RejectedCall, has_failed, is_bad},
    waiting::WaitingRequest,
};
use crate::{
    clock::{Moment, before},
    model::{CallerName, Interval, PartId, QueueId, Route, Shape},
    telemetry::traces::TracePoint,
    upstream::{TargetState, UpstreamError},
};

/// Requests of one shape whose own calls are in progress at one time. Those that wait look at the cache again first.
pub(super) const MAX_REQUESTS_PER_SHAPE: usize = 8;
/// The same of one caller, so that no caller takes all of them.
pub(super) const MAX_REQUESTS_PER_CALLER: usize = 2;
/// Requests of one shape that are bisected at one time.
pub(super) const MAX_BISECTIONS_PER_SHAPE: usize = 2;
/// Requests whose own calls are in progress or wait, of all callers together.
pub(super) const MAX_TASKS: usize = 4_096;

/// The own calls of all requests.
pub(super) struct OwnCalls {
    fetcher: Arc<PartFetcher>,
    prefetcher: Arc<Prefetcher>,
    of_caller: KeyedPermits<(Shape, CallerName)>,
    of_shape: KeyedPermits<Shape>,
    /// One at a time for each caller.
    bisections: KeyedPermits<CallerName>,
    bisections_of_shape: KeyedPermits<Shape>,
    tasks: Arc<Semaphore>,
    /// Until when the requests of a caller for a route are kept out of batches. Both come from the configuration.
    isolated: Mutex<HashMap<(Route, CallerName), Moment>>,
}

/// One request's own calls.
struct OwnRequest {
    own_calls: Arc<OwnCalls>,
    shape: Shape,
    interval: Option<Interval>,
    request: Arc<WaitingRequest>,
}

/// What is known of some queues by now.
#[derive(Default)]
struct Known {
    /// Those that must be asked for.
    others: Vec<QueueId>,
    /// Why one of them is rejected, and the request with it.
    rejected: Option<UpstreamError>,
    /// Whether the vendor refused our credentials for any.
    any_refused: bool,
}

impl OwnCalls {
    pub(super) fn new(fetcher: Arc<PartFetcher>, prefetcher: Arc<Prefetcher>) -> Arc<Self> {
        Arc::new(Self {
            fetcher,
            prefetcher,
            of_caller: KeyedPermits::new(MAX_REQUESTS_PER_CALLER),
            of_shape: KeyedPermits::new(MAX_REQUESTS_PER_SHAPE),
            bisections: KeyedPermits::new(1),
            bisections_of_shape: KeyedPermits::new(MAX_BISECTIONS_PER_SHAPE),
            tasks: Arc::new(Semaphore::new(MAX_TASKS)),
            isolated: Mutex::default(),
        })
    }

    /// Whether the requests of `caller` for `route` are kept out of batches: one was rejected on its own within the last
    /// `cache.negative_ttl`.
    pub(super) fn is_isolated(&self, route: Route, caller: &CallerName) -> bool {
        let isolated = self.isolated();
        !isolated.is_empty()
            && isolated.get(&(route, caller.clone())).is_some_and(|until| self.fetcher.clock.now() < *until)
    }

    /// Forgets whose time is over. To be called about each second.
    pub(super) fn tidy(&self) {
        let now = self.fetcher.clock.now();
        self.isolated().retain(|_, until| now < *until);
    }

    /// A request of `caller` for `route` was rejected on its own.
    pub(super) fn isolate(&self, route: Route, caller: &CallerName) {
        let until = self.fetcher.clock.now().after(self.fetcher.policies.load().negative_ttl());
        self.isolated().insert((route, caller.clone()), until);
    }

    fn isolated(&self) -> MutexGuard<'_, HashMap<(Route, CallerName), Moment>> {
        self.isolated.lock()
    }

    /// Fetches `queues` for `request` alone, in a task of its own.
    pub(super) fn fetch(
        self: &Arc<Self>,
        shape: &Shape,
        interval: Option<Interval>,
        request: Arc<WaitingRequest>,
        queues: Vec<QueueId>,
    ) {
        self.spawn(shape, interval, request, queues, None);
    }

    /// Bisects a call that was rejected and held ids of `request` alone.
    pub(super) fn rejected_alone(
        self: &Arc<Self>,
        shape: &Shape,
        interval: Option<Interval>,
        request: Arc<WaitingRequest>,
        rejected: RejectedCall,
    ) {
        request.count_own_call();
        self.spawn(shape, interval, request, Vec::new(), Some(rejected));
    }

    fn spawn(
        self: &Arc<Self>,
        shape: &Shape,
        interval: Option<Interval>,
        request: Arc<WaitingRequest>,
        queues: Vec<QueueId>,
        rejected: Option<RejectedCall>,
    ) {
        let Ok(permit) = Arc::clone(&self.tasks).try_acquire_owned() else {
            return match rejected {
                Some(rejected) => request.reject(rejected),
                None => request.fail(queues, &MissReason::Full),
            };
        };
        let own = OwnRequest { own_calls: Arc::clone(self), shape: shape.clone(), interval, request };
        // It ends with the request's deadline, and the calls that it has begun by then.
        tokio::spawn(async move {
            let _permit = permit;
            let rejected = match rejected {
                Some(rejected) => vec![rejected],
                None => own.fetch(queues).await,
            };
            if !rejected.is_empty() {
                own.bisect(rejected).await;
            }
        });
    }
}

impl OwnRequest {
    /// Fetches `queues`, and delivers what comes. Gives the calls that were rejected.
    async fn fetch(&self, queues: Vec<QueueId>) -> Vec<RejectedCall> {
        let Self { own_calls, shape, request, .. } = self;
        let OwnCalls { fetcher, of_caller, of_shape, .. } = &**own_calls;
        let permits = async {
            let of_caller = of_caller.acquire((shape.clone(), request.caller.clone())).await;
            (of_caller, of_shape.acquire(shape.clone()).await)
        };
        let Some(_permits) = before(fetcher.clock.as_ref(), request.deadline, permits).await else {
            request.fail(queues, &MissReason::Upstream(UpstreamError::Timeout));
            return Vec::new();
        };
        // A client that left in the hope that its bad ids are not found is found out once.
        if request.is_gone() && own_calls.is_isolated(shape.route(), &request.caller) {
            return Vec::new();
        }
        let Known { others: queues, rejected, .. } = self.deliver_known(queues);
        if let Some(error) = rejected {
            request.reject(RejectedCall { queues, error });
            return Vec::new();
        }
        let (suspect, others): (Vec<_>, Vec<_>) = queues.into_iter().partition(|queue| self.is_suspect(queue));
        let parts = |queues: Vec<QueueId>| queues.into_iter().map(PartId::Queue);
        let plans = fetcher.plan(parts(others)).into_iter().chain(fetcher.plan(parts(suspect)));
        let mut calls = JoinSet::new();
        for plan in plans {
            request.count_own_call();
            let context = self.context(&plan);
            calls.spawn(async move { context.call(plan).await });
        }
        let began = fetcher.clock.now();
        let mut rejected = Vec::new();
        while let Some(ended) = calls.join_next().await {
            // A call that panicked delivers nothing, and the request learns that its parts were lost.
            let Ok(result) = ended else { continue };
            if result.outcomes.values().any(is_bad) {
                own_calls.isolate(shape.route(), &request.caller);
            }
            rejected.extend(result.rejected.clone());
            let answered = result.outcomes.values().any(Result::is_ok);
            self.deliver(result);
            if answered {
                own_calls.prefetcher.learn_batch(fetcher, shape, fetcher.clock.now().since(began), false);
            }
        }
        rejected
    }

    /// Finds which ids of the rejected calls are bad, one call after another.
    async fn bisect(&self, rejected: Vec<RejectedCall>) {
        let Self { own_calls, shape, request, .. } = self;
        let OwnCalls { fetcher, bisections, bisections_of_shape, .. } = &**own_calls;
        own_calls.isolate(shape.route(), &request.caller);
        let Some(error) = rejected.first().map(|rejected| rejected.error.clone()) else { return };
        request.was_rejected(error.clone());
        let permits = async {
            let of_caller = bisections.acquire(request.caller.clone()).await;
            (of_caller, bisections_of_shape.acquire(shape.clone()).await)
        };
        let permits = before(fetcher.clock.as_ref(), request.deadline, permits).await;
        let mut bisection = Bisection::default();
        for RejectedCall { queues, .. } in rejected {
            // Another request may have found out about them since.
            let Known { others, rejected, any_refused } = self.deliver_known(queues);
            match rejected {
                Some(error) => request.reject(RejectedCall { queues: others, error }),
                None => bisection.add(others, !any_refused),
            }
        }
        while permits.is_some() && !request.is_gone() && fetcher.clock.now() < request.deadline {
            let Some(queues) = bisection.next() else { break };
            if !request.count_bisection_call() {
                break;
            }
            let plan = CallPlan::Rows(queues);
            let context = self.context(&plan);
            // In a task of its own, so that a panic ends only this call.
            let call = tokio::spawn(async move { context.call(plan).await });
            let Ok(result) = call.await else { break };
            let is_rejected = result.rejected.is_some() || result.outcomes.values().any(is_bad);
            let has_failed = !is_rejected && result.outcomes.values().any(has_failed);
            self.deliver(result);
            match (is_rejected, has_failed) {
                (true, _) => bisection.rejected(),
                (false, false) => bisection.accepted(),
                // The vendor fails: which ids are bad is not found out now.
                (false, true) => break,
            }
        }
        request.reject(RejectedCall { queues: bisection.rest().collect(), error });
    }

    /// Delivers those of `queues` whose outcome is known by now.
    fn deliver_known(&self, queues: Vec<QueueId>) -> Known {
        let Self { own_calls, shape, request, .. } = self;
        let fetcher = &own_calls.fetcher;
        let (mut outcomes, mut known) = (Vec::new(), Known::default());
        for queue in queues {
            let part = PartId::Queue(queue.clone());
            let held = fetcher.fresh(&shape.part(part.clone()));
            if let Some(kept) = held.filter(|kept| request.demand.takes(kept.began, request.since)) {
                if let Part::Refused(rejection) = &kept.content {
                    known.rejected = Some(UpstreamError::Rejected(rejection.clone()));
                }
                outcomes.push((part, Ok(kept)));
            } else if let TargetState::Backoff(retry_after) = fetcher.vendor.queue_target(shape, &queue) {
                known.any_refused = true;
                outcomes.push((part, Err(MissReason::Upstream(UpstreamError::TargetRefused { retry_after }))));
            } else {
                known.others.push(queue);
            }
        }
        request.deliver(outcomes, None, &TracePoint::default());
        known
    }

    /// Whether the vendor rejected `queue` before, or refused our credentials for it.
    fn is_suspect(&self, queue: &QueueId) -> bool {
        is_suspect(&self.own_calls.fetcher, &self.shape, queue)
    }

    fn context(&self, plan: &CallPlan) -> FetchContext {
        let Self { own_calls, shape, interval, request } = self;
        let interest = |part: PartId| {
            let held = own_calls.fetcher.store.get(&shape.part(part.clone()));
            let interest = held.map(|kept| Arc::clone(&kept.interest)).unwrap_or_default();
            interest.note(request.since);
            (part, interest)
        };
        FetchContext {
            fetcher: Arc::clone(&own_calls.fetcher),
            shape: shape.clone(),
            interval: *interval,
            caller: Some(request.caller.clone()),
            trace: request.trace.clone(),
            interests: plan.parts().into_iter().map(interest).collect(),
        }
    }

    fn deliver(&self, result: CallResult) {
        let Self { own_calls, shape, interval, request } = self;
        own_calls.prefetcher.learn(&own_calls.fetcher, shape, *interval, &result);
        request.deliver(result.outcomes.into_iter().collect(), Some(result.effort), &TracePoint::default());
    }
}

/// Whether the vendor rejected `queue` before, or refused our credentials for it.
pub(super) fn is_suspect(fetcher: &PartFetcher, shape: &Shape, queue: &QueueId) -> bool {
    let held = fetcher.store.get(&shape.part(PartId::Queue(queue.clone())));
    held.is_some_and(|kept| matches!(kept.content, Part::Refused(_)))
        || fetcher.vendor.queue_target(shape, queue) != TargetState::Allowed
}
