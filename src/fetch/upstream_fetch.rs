//! Vendor calls for parts, and what becomes of their answers.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use parking_lot::{Mutex, MutexGuard};

use super::{
    Policies,
    part::{Kept, Part},
    policies::Phase,
    purges::{Epoch, Purged, Purges},
    rows::{Row, SplitResponse, no_row_failed, split_rows},
    whole_mode::WholeMode,
};
use crate::{
    cache::{Coverage, Entry, Freshness, Interest, Policy, Store, Stretch, freshness},
    clock::{Moment, SharedClock},
    model::{CallerName, Interval, PartId, PartKey, QueueId, Shape},
    telemetry::{Metrics, Traces, events, traces::TracePoint},
    upstream::{Answer, Budget, Called, Effort, Rejection, UpstreamError, Vendor, VendorCall},
};

/// The answer has rows, and none is of a queue that was asked for.
const FOREIGN_ROWS: UpstreamError = UpstreamError::InvalidResponse("its rows are of other queues");

/// How a part's fetch ended.
pub(super) type Outcome = Result<Kept, MissReason>;

/// Whether the vendor rejected the part, or refused our credentials for it.
pub(super) fn is_bad(outcome: &Outcome) -> bool {
    match outcome {
        Ok(kept) => matches!(kept.content, Part::Refused(_)),
        Err(miss) => matches!(miss, MissReason::Upstream(UpstreamError::TargetRefused { .. })),
    }
}

/// Whether the vendor failed, or the gateway did not call it. An answer whose rows cannot be split is no failure.
pub(super) fn has_failed(outcome: &Outcome) -> bool {
    matches!(outcome, Err(MissReason::Upstream(_) | MissReason::Full | MissReason::Lost))
}

/// Why a part was not fetched.
#[derive(Clone, Debug)]
pub(super) enum MissReason {
    /// The vendor failed, or the gateway did not call it.
    Upstream(UpstreamError),
    /// The rows of the answer cannot be split: a request must be answered as a whole document.
    Unsplittable,
    /// There are two different rows for this queue; the other rows are not affected.
    Ambiguous,
    /// Too many requests wait for calls of their own.
    Full,
    /// The call ended without a result: it panicked.
    Lost,
}

/// One vendor call.
pub(super) enum CallPlan {
    /// A part that travels alone: a document, or the answer for a set of queues.
    Whole(PartId),
    /// Rows.
    Rows(Vec<QueueId>),
}

impl CallPlan {
    pub(super) fn parts(&self) -> Vec<PartId> {
        match self {
            Self::Whole(part) => vec![part.clone()],
            Self::Rows(queues) => queues.iter().cloned().map(PartId::Queue).collect(),
        }
    }
}

/// What one call brought.
#[derive(Default)]
pub(super) struct CallResult {
    pub(super) outcomes: HashMap<PartId, Outcome>,
    pub(super) effort: Effort,
    /// A call for several queues was rejected, or the vendor refused our credentials for them: which of them are bad is
    /// not known, and they have no outcome.
    pub(super) rejected: Option<RejectedCall>,
}

/// The queues of a call that was rejected as a whole, and why.
#[derive(Clone)]
pub(super) struct RejectedCall {
    pub(super) queues: Vec<QueueId>,
    /// [`UpstreamError::Rejected`] or [`UpstreamError::TargetRefused`].
    pub(super) error: UpstreamError,
}

impl CallResult {
    /// The same outcome for all of `parts`.
    pub(super) fn all(parts: impl IntoIterator<Item = PartId>, miss: &MissReason) -> Self {
        let outcomes = parts.into_iter().map(|part| (part, Err(miss.clone()))).collect();
        Self { outcomes, ..Self::default() }
    }
}

/// Calls the vendor and caches what comes.
pub(super) struct PartFetcher {
    pub(super) store: Store<Part>,
    pub(super) policies: ArcSwap<Policies>,
    /// How many policies there were before these: what was worked out under others does not hold.
    pub(super) policies_number: AtomicU64,
    pub(super) purges: Purges,
    pub(super) clock: SharedClock,
    pub(super) max_queues_per_call: usize,
    /// How long a request waits at most.
    pub(super) patience: Duration,
    /// `upstream.max_stretch`
    pub(super) max_stretch: f64,
    pub(super) vendor: Arc<dyn Vendor>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) traces: Traces,
    pub(super) whole_mode: Mutex<WholeMode>,
}

impl PartFetcher {
    /// The calls that bring `parts`: queues together, as many as one call may hold.
    pub(super) fn plan(&self, parts: impl IntoIterator<Item = PartId>) -> Vec<CallPlan> {
        let mut plans = Vec::new();
        let mut queues = Vec::new();
        for part in parts {
            match part {
                PartId::Queue(queue) => queues.push(queue),
                PartId::Document | PartId::Set(_) => plans.push(CallPlan::Whole(part)),
            }
        }
        plans.extend(queues.chunks(self.max_queues_per_call).map(|chunk| CallPlan::Rows(chunk.to_vec())));
        plans
    }

    /// How a held part may be served now.
    pub(super) fn judge(&self, key: &PartKey, kept: &Entry<Part>) -> Freshness {
        let stretch = kept.stretch.at_least(self.stretch());
        freshness(kept.began, kept.purged(), self.clock.now(), &self.policy(&key.shape, kept), stretch)
    }

    /// The held part, if it is fresh.
    pub(super) fn fresh(&self, key: &PartKey) -> Option<Kept> {
        self.store.get(key).filter(|kept| matches!(self.judge(key, kept), Freshness::Fresh { .. }))
    }

    /// Removes the held part unless it is fresh.
    pub(super) fn remove_stale(&self, key: &PartKey) {
        if let Some(kept) = self.store.get(key)
            && !matches!(self.judge(key, &kept), Freshness::Fresh { .. })
        {
            self.store.remove_entry(key, &kept);
        }
    }

    /// How far `ttl`s stretch now.
    pub(super) fn stretch(&self) -> Stretch {
        let Budget { remaining, burst } = self.vendor.budget();
        Stretch::new(remaining, burst, self.max_stretch)
    }

    /// How long a part of `shape` may be served.
    pub(super) fn policy(&self, shape: &Shape, kept: &Entry<Part>) -> Policy {
        let policies = self.policies.load();
        let phase = kept.coverage.map_or(Phase::Open, |coverage| {
            let age = self.clock.now().since(kept.began);
            policies.phase(coverage.end, coverage.fetched(age, self.clock.wall()))
        });
        kept.content.policy(policies.of(shape.route(), phase), policies.negative_ttl())
    }

    /// From now on these hold, also for what is held.
    pub(super) fn set_policies(&self, policies: Policies) {
        self.policies.store(Arc::new(policies));
        // After: who sees the new number sees the new policies.
        self.policies_number.fetch_add(1, Ordering::Release);
    }

    /// Identifies the policies of now among those of other times.
    pub(super) fn policies_number(&self) -> u64 {
        self.policies_number.load(Ordering::Acquire)
    }

    /// Whether such a part is cached at all.
    pub(super) fn keeps(&self, shape: &Shape, kept: &Entry<Part>) -> bool {
        !self.policy(shape, kept).ttl.is_zero()
    }

    /// Whether a request for these queues of `shape` is answered as a whole document for now.
    pub(super) fn in_whole_mode(&self, shape: &Shape, queues: &[QueueId]) -> bool {
        self.whole_mode().is_on_for(shape, queues, self.clock.now())
    }

    pub(super) fn whole_mode(&self) -> MutexGuard<'_, WholeMode> {
        self.whole_mode.lock()
    }

    /// Caches what a call brought that began at `epoch`, if it is cacheable; gives what holds: of two results for a part
    /// the one whose call began later. What was purged since does not become fresh again.
    fn insert(&self, key: &PartKey, kept: Kept, epoch: Epoch) -> Kept {
        let log = self.purges.log();
        let purged = log.since(epoch, key);
        if let Some(Purged { at, .. }) = purged {
            kept.purge(at);
        }
        if self.keeps(&key.shape, &kept) && !purged.is_some_and(|purged| purged.hard) {
            return self.store.put(key, kept);
        }
        kept
    }
}

/// What the calls of one fetch have in common.
pub(super) struct FetchContext {
    pub(super) fetcher: Arc<PartFetcher>,
    pub(super) shape: Shape,
    pub(super) interval: Option<Interval>,
    /// The caller whose budget share is used; `None` for refresh-ahead, and for several callers together.
    pub(super) caller: Option<CallerName>,
    pub(super) trace: TracePoint,
    pub(super) interests: HashMap<PartId, Arc<Interest>>,
}

impl FetchContext {
    /// Makes one call.
    pub(super) async fn call(&self, plan: CallPlan) -> CallResult {
        match plan {
            CallPlan::Whole(part) => self.whole(part).await,
            CallPlan::Rows(queues) => self.rows(queues).await,
        }
    }

    fn coverage(&self, answer: &Answer) -> Option<Coverage> {
        self.interval.map(|interval| Coverage::new(interval.end(), answer.began_at))
    }

    async fn ask(&self, queues: &[QueueId]) -> Called {
        let call = VendorCall { shape: &self.shape, queues, caller: self.caller.as_ref(), under: &self.trace };
        self.fetcher.vendor.call(call).await
    }

    /// Fetches a part that travels alone.
    async fn whole(&self, part: PartId) -> CallResult {
        let queues: &[QueueId] = match &part {
            PartId::Set(queues) => queues,
            PartId::Document | PartId::Queue(_) => &[],
        };
        let fetcher = &self.fetcher;
        let epoch = fetcher.purges.epoch();
        if queues.len() > fetcher.max_queues_per_call {
            let error = UpstreamError::InvalidResponse("its rows cannot be told apart; ask for fewer queues at once");
            let miss = self.failed(error, Effort::default());
            return CallResult { outcomes: HashMap::from([(part, Err(miss))]), ..CallResult::default() };
        }
        let Called { result, effort, began } = self.ask(queues).await;
        let split = |answer: &Answer| split_rows(self.shape.route(), &answer.body, queues);
        let outcome = match result {
            Ok(answer) => match split(&answer).filter(|_| !queues.is_empty()) {
                Some(SplitResponse { is_foreign: true, .. }) => Err(self.failed(FOREIGN_ROWS, effort)),
                split => {
                    let coverage = self.coverage(&answer);
                    let succeeded = queues.is_empty() || no_row_failed(&answer.body);
                    if let Some(split) = split {
                        let (extras, now) = (split.envelope.extras(), fetcher.clock.now());
                        fetcher.whole_mode().observe(&self.shape, queues, extras, now);
                    }
                    Ok(self.keep(&part, Part::document(answer.body, succeeded), answer.began, coverage, epoch))
                }
            },
            Err(UpstreamError::Rejected(rejection)) => Ok(self.refuse(&part, rejection, began, epoch)),
            Err(error) => Err(self.failed(error, effort)),
        };
        CallResult { outcomes: HashMap::from([(part, outcome)]), effort, rejected: None }
    }

    /// Fetches the rows of `queues` in one call.
    async fn rows(&self, queues: Vec<QueueId>) -> CallResult {
        let epoch = self.fetcher.purges.epoch();
        let Called { result, effort, began } = self.ask(&queues).await;
        let mut result_of_call = CallResult { effort, ..CallResult::default() };
        match (result, &queues[..]) {
            (Ok(answer), _) => self.sort(&queues, &answer, epoch, &mut result_of_call),
            (Err(UpstreamError::Rejected(rejection)), [queue]) => {
                let part = PartId::Queue(queue.clone());
                let kept = self.refuse(&part, rejection, began, epoch);
                result_of_call.outcomes.insert(part, Ok(kept));
            }
            (Err(error @ (UpstreamError::Rejected(_) | UpstreamError::TargetRefused { .. })), [_, _, ..]) => {
                result_of_call.rejected = Some(RejectedCall { queues, error });
            }
            (Err(error), _) => self.fail(&queues, error, &mut result_of_call),
        }
        result_of_call
    }

    /// What the vendor rejects is remembered, and replaces what was held.
    fn refuse(&self, part: &PartId, rejection: Rejection, began: Moment, epoch: Epoch) -> Kept {
        self.keep(part, Part::Refused(rejection), began, None, epoch)
    }

    fn fail(&self, queues: &[QueueId], error: UpstreamError, result: &mut CallResult) {
        let miss = self.failed(error, result.effort);
        result.outcomes.extend(queues.iter().map(|queue| (PartId::Queue(queue.clone()), Err(miss.clone()))));
    }

    /// Caches each row of an answer, or its absence.
    fn sort(&self, queues: &[QueueId], answer: &Answer, epoch: Epoch, result: &mut CallResult) {
        let fetcher = &self.fetcher;
        let coverage = self.coverage(answer);
        let route = self.shape.route();
        let Some(SplitResponse { envelope, mut rows, ambiguous, is_foreign }) = split_rows(route, &answer.body, queues)
        else {
            self.report_unsplittable(queues.len());
            let miss = |queue: &QueueId| (PartId::Queue(queue.clone()), Err(MissReason::Unsplittable));
            return result.outcomes.extend(queues.iter().map(miss));
        };
        if is_foreign {
            // Nothing is known of these queues, not even that they are absent.
            return self.fail(queues, FOREIGN_ROWS, result);
        }
        if !ambiguous.is_empty() {
            self.report_unsplittable(ambiguous.len());
        }
        let is_inconstant = fetcher.whole_mode().observe(&self.shape, queues, envelope.extras(), fetcher.clock.now());
        if is_inconstant {
            self.report_unsplittable(queues.len());
        }
        for queue in queues {
            let part = PartId::Queue(queue.clone());
            let content = match rows.remove(queue) {
                _ if ambiguous.contains(queue) => {
                    fetcher.whole_mode().add_ambiguous(&self.shape, queue, fetcher.clock.now());
                    result.outcomes.insert(part, Err(MissReason::Ambiguous));
                    continue;
                }
                Some(Row { body, succeeded }) => Part::Row { body, envelope: Arc::clone(&envelope), succeeded },
                None => Part::Absent { envelope: Arc::clone(&envelope) },
            };
            let kept = self.keep(&part, content, answer.began, coverage, epoch);
            result.outcomes.insert(part, Ok(kept));
        }
    }

    fn report_unsplittable(&self, queues: usize) {
        let route = self.shape.route();
        events::not_taken_apart(route.template(), queues);
        self.fetcher.metrics.not_taken_apart(route);
    }

    fn keep(&self, part: &PartId, content: Part, began: Moment, coverage: Option<Coverage>, epoch: Epoch) -> Kept {
        let interest = self.interests.get(part).cloned().unwrap_or_default();
        let kept = content.kept(began, coverage, interest, self.fetcher.stretch());
        self.fetcher.insert(&self.shape.part(part.clone()), kept, epoch)
    }

    fn failed(&self, error: UpstreamError, effort: Effort) -> MissReason {
        match &error {
            // The caller's own doing, and told to the caller.
            UpstreamError::Rejected(_) => {}
            error => events::vendor_call_failed(self.shape.route().template(), error, effort.calls),
        }
        MissReason::Upstream(error)
    }
}
