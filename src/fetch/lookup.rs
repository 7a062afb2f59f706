//! One request on its way to its answer: what is held for it, what is fetched, and what stands in for a fetch that failed.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use super::{
    assemble::{Slot, Way, assemble},
    batcher::{Batcher, Lost, Wanted},
    demand::Demand,
    own_calls::is_suspect,
    part::{Kept, Part},
    served::{Failure, FetchError, Forwarded, Served},
    upstream_fetch::{MissReason, PartFetcher},
    waiting::{Delivered, RequestContext, WaitingRequest},
};
use crate::{
    cache::Freshness,
    clock::{Moment, before},
    model::{CallerName, Interval, PartId, QueueId, Shape},
    telemetry::traces::{RequestSpan, TracePoint},
    upstream::{Effort, TargetState, UpstreamError},
};

/// A request that is being answered.
pub(super) struct Lookup<'a> {
    pub(super) fetcher: &'a PartFetcher,
    pub(super) batcher: &'a Arc<Batcher>,
    pub(super) shape: &'a Shape,
    pub(super) interval: Option<Interval>,
    /// As the caller named them, doubled ones too.
    pub(super) queues: &'a [QueueId],
    pub(super) caller: &'a CallerName,
    pub(super) demand: Demand,
    /// Whether the caller may get rows that cannot be split, and the whole envelope.
    pub(super) sees_all: bool,
    /// When it was asked.
    pub(super) since: Moment,
    /// What its own vendor calls have cost by now.
    pub(super) effort: Effort,
}

/// Why a request has no answer.
pub(super) enum LookupError {
    Failed(Failure),
    /// The rows cannot be split: ask for the whole document. `of_shape` says whether that is so for all requests of the
    /// shape, or for this one alone.
    Unsplittable {
        of_shape: bool,
    },
}

impl Lookup<'_> {
    /// The answer from these parts, and how each of them came.
    pub(super) async fn answer(
        mut self,
        ids: Vec<PartId>,
        span: &RequestSpan,
    ) -> Result<(Served, Vec<Slot>), LookupError> {
        let mut slots: Vec<Slot> = ids.into_iter().map(|id| self.read_cache(id)).collect();
        // Before anything is spent on the rest of a request that is rejected anyway.
        self.check_rejection(&slots)?;
        if self.fetch(&mut slots, &[], span).await? {
            self.check_rejection(&slots)?;
            let took = self.now().since(self.since);
            if let Some(expiring) = self.second_round(&mut slots, took) {
                let began = self.now();
                self.fetch(&mut slots, &expiring, span).await?;
                self.check_rejection(&slots)?;
                age(&mut slots, self.now().since(began));
            }
        }
        let is_foreign = self.has_foreign_envelope(&slots);
        if self.sees_all && is_foreign && self.fetcher.whole_mode().is_constant(self.shape) == Some(false) {
            return Err(LookupError::Unsplittable { of_shape: true });
        }
        let served = assemble(self.fetcher, &slots, self.effort);
        let mut served = served.ok_or_else(|| self.failed(FetchError::Lost(Lost)))?;
        if is_foreign && let Some(restricted) = served.restricted.take() {
            // It is not known yet whether its other members depend on the ids.
            served.body = restricted;
        }
        Ok((served, slots))
    }

    /// Whether the envelope has members that may depend on the ids of the call that brought it, and that call was for other
    /// ids than this request.
    fn has_foreign_envelope(&self, slots: &[Slot]) -> bool {
        let envelopes = || slots.iter().filter_map(|slot| slot.kept.as_ref()?.content.envelope());
        if envelopes().all(|envelope| envelope.extras().is_empty()) {
            return false;
        }
        let Some(first) = envelopes().next() else { return false };
        let is_own = envelopes().all(|envelope| Arc::ptr_eq(envelope, first)) && first.ids() == slots.len();
        let is_same = || envelopes().all(|envelope| envelope.extras() == first.extras());
        !(is_own || is_same() && self.fetcher.whole_mode().is_constant(self.shape) == Some(true))
    }

    fn now(&self) -> Moment {
        self.fetcher.clock.now()
    }

    /// What is held for a part, and what is to be done for it.
    fn read_cache(&self, id: PartId) -> Slot {
        let key = self.shape.part(id);
        let kept = self.fetcher.store.get(&key);
        if let Some(kept) = &kept {
            kept.interest.note(self.since);
        }
        let mut slot = Slot { key, kept, way: Way::Missing };
        slot.way = self.classify(&slot);
        slot
    }

    /// What is to be done for a part, as what is held of it is now. Whether that is young enough was settled when it was asked
    /// for.
    fn classify(&self, Slot { key, kept, .. }: &Slot) -> Way {
        let young = kept.as_ref().is_none_or(|kept| self.demand.takes(kept.began, self.since));
        match kept.as_ref().map(|kept| self.fetcher.judge(key, kept)) {
            Some(Freshness::Fresh { left, stretched }) if young => Way::Hit { left, stretched },
            Some(Freshness::Fresh { .. }) => Way::Unwanted,
            Some(Freshness::StaleWhileRevalidate { past }) if young => Way::Revalidating { past },
            Some(Freshness::StaleWhileRevalidate { .. } | Freshness::StaleIfError { .. }) => Way::Stale,
            Some(Freshness::Gone) | None => Way::Missing,
        }
    }

    /// Judges what was held again after a wait; what has come since takes its place. If anything expired, or must be
    /// refreshed, there is a second round: gives the places of the fresh parts that would expire within one more call, which
    /// takes as long as the first `took`.
    fn second_round(&self, slots: &mut [Slot], took: Duration) -> Option<Vec<usize>> {
        let mut needed = false;
        for slot in slots.iter_mut() {
            // What was fetched in vain is not fetched again.
            if matches!(slot.way, Way::Hit { .. } | Way::Revalidating { .. }) {
                let newer = self.fetcher.store.get(&slot.key);
                let began = slot.kept.as_ref().map(|kept| kept.began);
                slot.kept = newer.filter(|newer| Some(newer.began) >= began).or_else(|| slot.kept.take());
                let way = self.classify(slot);
                needed |= matches!((slot.way, way), (Way::Hit { .. }, Way::Revalidating { .. }));
                slot.way = way;
            }
            needed |= slot.must_be_fetched();
        }
        let must_wait = slots.iter().any(Slot::must_be_fetched);
        let expires = |slot: &Slot| must_wait && matches!(slot.way, Way::Hit { left, .. } if left <= took);
        needed.then(|| slots.iter().enumerate().filter(|(_, slot)| expires(slot)).map(|(i, _)| i).collect())
    }

    /// Fetches what must be fetched, and the fresh parts at the places `expiring`; begins to refresh what may be served in
    /// the meantime. Gives whether it waited.
    async fn fetch(&mut self, slots: &mut [Slot], expiring: &[usize], span: &RequestSpan) -> Result<bool, LookupError> {
        let is_expiring = |i: usize| expiring.contains(&i);
        let mut wanted = Vec::new();
        for (i, slot) in slots.iter().enumerate() {
            let is_awaited = slot.must_be_fetched() || is_expiring(i);
            if is_awaited || matches!(slot.way, Way::Revalidating { .. }) {
                let interest = slot.kept.as_ref().map(|kept| Arc::clone(&kept.interest)).unwrap_or_default();
                interest.note(self.since);
                wanted.push(Wanted { part: slot.key.part.clone(), interest, is_awaited });
            }
        }
        if wanted.is_empty() {
            return Ok(false);
        }
        let must_wait = slots.iter().any(Slot::must_be_fetched);
        if must_wait && self.demand.only_if_cached {
            return Err(self.failed(FetchError::NotHeld));
        }
        let awaited: HashSet<PartId> =
            wanted.iter().filter(|wanted| wanted.is_awaited).map(|wanted| wanted.part.clone()).collect();
        let context = RequestContext {
            caller: self.caller.clone(),
            demand: self.demand,
            since: self.since,
            deadline: self.since.after(self.fetcher.patience),
            trace: span.point(),
        };
        let (request, mut delivered) = WaitingRequest::new(context, awaited.len(), self.fetcher.max_queues_per_call);
        let started = self.start(request, wanted);
        if awaited.is_empty() {
            // A refresh that found no room runs a little later.
            return Ok(false);
        }
        if let Err(full) = started {
            return self.serve_stale(slots, &FetchError::Full(full)).map(|()| false);
        }
        let clock = self.fetcher.clock.as_ref();
        let all = |so_far: &Delivered| awaited.iter().all(|part| so_far.outcomes.contains_key(part));
        let deadline = self.since.after(self.fetcher.patience);
        let missed = match before(clock, deadline, delivered.wait_for(all)).await {
            Some(ended) => ended.err().map(|_| FetchError::Lost(Lost)),
            None => Some(FetchError::Upstream(UpstreamError::Timeout)),
        };
        let Delivered { outcomes, effort, traces, rejected } = delivered.borrow().clone();
        traces.iter().for_each(|trace| span.waited_for(trace));
        self.effort += effort;
        let missed = rejected.map(FetchError::Upstream).or(missed).unwrap_or(FetchError::Lost(Lost));
        self.take(slots, outcomes, missed).map(|()| true)
    }

    /// Has `wanted` fetched, in batches, or in calls of its own if the request is likely to be rejected.
    fn start(&self, request: Arc<WaitingRequest>, wanted: Vec<Wanted>) -> Result<(), super::Full> {
        let Self { fetcher, batcher, shape, .. } = self;
        let own = &batcher.own_calls;
        let (mut batched, mut queues, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        let mut is_isolated = own.is_isolated(shape.route(), self.caller);
        for wanted in wanted {
            match &wanted.part {
                PartId::Queue(queue) => {
                    if let TargetState::Backoff(retry_after) = fetcher.vendor.queue_target(shape, queue) {
                        let error = UpstreamError::TargetRefused { retry_after };
                        refused.push((wanted.part, Err(MissReason::Upstream(error))));
                        continue;
                    }
                    if wanted.is_awaited {
                        is_isolated |= is_suspect(fetcher, shape, queue);
                        queues.push(wanted);
                    } else {
                        batched.push(wanted);
                    }
                }
                PartId::Document | PartId::Set(_) => batched.push(wanted),
            }
        }
        if !refused.is_empty() {
            request.deliver(refused, None, &TracePoint::default());
        }
        if !is_isolated {
            batched.append(&mut queues);
        }
        if !batched.is_empty() {
            batcher.join(shape, self.interval, &request, batched)?;
        }
        let queue = |wanted: Wanted| if let PartId::Queue(queue) = wanted.part { Some(queue) } else { None };
        let queues: Vec<QueueId> = queues.into_iter().filter_map(queue).collect();
        if !queues.is_empty() {
            own.fetch(shape, self.interval, request, queues);
        }
        Ok(())
    }

    /// Puts what was delivered into its places. `missed` says why the rest was not.
    fn take(
        &mut self,
        slots: &mut [Slot],
        mut outcomes: HashMap<PartId, (Result<Kept, MissReason>, bool)>,
        missed: FetchError,
    ) -> Result<(), LookupError> {
        let (mut failed, mut unsplittable) = (None, None);
        for slot in slots.iter_mut() {
            let must = slot.must_be_fetched();
            let error = match outcomes.remove(&slot.key.part) {
                Some((Ok(kept), led)) => {
                    let why = slot.forwarded().unwrap_or(Forwarded::Stale);
                    (slot.kept, slot.way) = (Some(kept), Way::Fetched { led, why });
                    continue;
                }
                // It was fresh when the round began, and is served.
                _ if !must => continue,
                Some((Err(MissReason::Unsplittable), _)) => {
                    unsplittable = Some(true);
                    UpstreamError::InvalidResponse("its rows cannot be told apart").into()
                }
                Some((Err(MissReason::Ambiguous), _)) => {
                    unsplittable.get_or_insert(false);
                    UpstreamError::InvalidResponse("it has two different rows for one queue").into()
                }
                Some((Err(MissReason::Upstream(error)), _)) => error.into(),
                Some((Err(MissReason::Full), _)) => FetchError::Full(super::Full),
                Some((Err(MissReason::Lost), _)) => FetchError::Lost(Lost),
                None => missed.clone(),
            };
            failed = Some(more_severe(failed, error));
        }
        let Some(error) = failed else { return Ok(()) };
        // A rejected id is reported before the failure of another.
        self.check_rejection(slots)?;
        if let Some(of_shape) = unsplittable.filter(|_| self.sees_all) {
            return Err(LookupError::Unsplittable { of_shape });
        }
        self.serve_stale(slots, &error)
    }

    /// What may be served although its fetch failed, judged after the wait for it: the window may have ended by then. A stale
    /// part never replaces a rejection.
    fn serve_stale(&self, slots: &mut [Slot], error: &FetchError) -> Result<(), LookupError> {
        // A request for something young is not answered with something old.
        let demanding = self.demand.max_age.is_some();
        let rejected = matches!(error, FetchError::Upstream(UpstreamError::Rejected(_)));
        for slot in slots.iter_mut().filter(|slot| slot.must_be_fetched()) {
            let judged = slot.kept.as_ref().map(|kept| self.fetcher.judge(&slot.key, kept));
            slot.way = match judged.filter(|_| !rejected && !demanding) {
                // `ttl`s may have been stretched since.
                Some(Freshness::Fresh { left, stretched }) => Way::Hit { left, stretched },
                Some(Freshness::StaleWhileRevalidate { past } | Freshness::StaleIfError { past }) => {
                    Way::InsteadOfError { past }
                }
                Some(Freshness::Gone) | None => return Err(self.failed(error.clone())),
            };
        }
        Ok(())
    }

    /// One rejected part rejects the request. The places of its queues are those in which the caller named them.
    fn check_rejection(&self, slots: &[Slot]) -> Result<(), LookupError> {
        let mut rejection = None;
        let mut rejected = HashSet::new();
        for slot in slots.iter().filter(|slot| !slot.must_be_fetched()) {
            let Some(Part::Refused(why)) = slot.kept.as_ref().map(|kept| &kept.content) else { continue };
            rejection.get_or_insert_with(|| why.clone());
            if let PartId::Queue(queue) = &slot.key.part {
                rejected.insert(queue);
            }
        }
        let Some(rejection) = rejection else { return Ok(()) };
        let places = self.queues.iter().enumerate().filter(|(_, queue)| rejected.contains(queue));
        let queues = places.map(|(i, _)| i).collect();
        Err(self.failed(FetchError::Refused { rejection, queues }))
    }

    fn failed(&self, error: FetchError) -> LookupError {
        LookupError::Failed(Failure { error, effort: self.effort })
    }
}

/// What was held and is served has grown older by `by`.
fn age(slots: &mut [Slot], by: Duration) {
    for slot in slots {
        match &mut slot.way {
            Way::Hit { left, .. } => *left = left.saturating_sub(by),
            Way::Revalidating { past } | Way::InsteadOfError { past } => *past += by,
            _ => {}
        }
    }
}

/// Returns the failure to report: a rejection before any other, since a retry does not help.
fn more_severe(first: Option<FetchError>, second: FetchError) -> FetchError {
    match first {
        None | Some(FetchError::Lost(_)) => second,
        Some(_) if matches!(second, FetchError::Upstream(UpstreamError::Rejected(_))) => second,
        Some(first) => first,
    }
}
