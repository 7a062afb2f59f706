use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;

use super::{
    Policies,
    part::{Kept, Part},
    policies::Phase,
    purges::{Epoch, Purged, Purges},
    rows::{Row, TakenApart, no_row_failed, take_apart},
};
use crate::{
    cache::{Coverage, Entry, Freshness, Interest, Policy, Store, Stretch, freshness},
    clock::{Moment, SharedClock},
    model::{Interval, PartId, PartKey, QueueId, Shape},
    telemetry::{Metrics, Traces, events, traces::TracePoint},
    upstream::{Answer, Budget, Called, Effort, Patience, Rejection, UpstreamError, Vendor, VendorCall},
};

/// How a part's fetch ended.
pub(super) type Outcome = Result<Kept, Miss>;

/// Why a part could not be fetched.
#[derive(Clone, Debug)]
pub(super) enum Miss {
    /// The vendor's side failed.
    Upstream(UpstreamError),
    /// It is not known which row of the answer is its: the query must be asked as a whole.
    Whole,
    /// The call ended without a result: it panicked.
    Lost,
}

/// What a group of vendor calls brought, or some of them.
#[derive(Default)]
pub(super) struct Landed {
    pub(super) outcomes: HashMap<PartId, Outcome>,
    pub(super) effort: Effort,
    /// The fetch's own place in a trace.
    pub(super) trace: TracePoint,
}

impl Landed {
    /// The same for all of `parts`.
    pub(super) fn all(parts: impl IntoIterator<Item = PartId>, miss: &Miss) -> Self {
        let outcomes = parts.into_iter().map(|part| (part, Err(miss.clone()))).collect();
        Self { outcomes, ..Self::default() }
    }
}

/// What one call is to bring.
pub(super) enum Trip {
    /// A part that travels alone.
    Whole(PartId),
    /// Rows.
    Rows(Vec<QueueId>),
}

impl Trip {
    pub(super) fn parts(&self) -> Vec<PartId> {
        match self {
            Self::Whole(part) => vec![part.clone()],
            Self::Rows(queues) => queues.iter().cloned().map(PartId::Queue).collect(),
        }
    }
}

/// What one call brought.
pub(super) struct Brought {
    pub(super) landed: Landed,
    /// Whether the vendor answered it.
    pub(super) answered: bool,
    /// Several queues that it was refused for: which of them are bad is not known.
    pub(super) refused: Option<(Vec<QueueId>, Rejection)>,
}

/// Calls the vendor and keeps what comes.
pub(super) struct Calls {
    pub(super) store: Store<Part>,
    pub(super) policies: ArcSwap<Policies>,
    /// How many policies there were before these: what was worked out under others does not hold.
    pub(super) policies_number: AtomicU64,
    pub(super) purges: Purges,
    pub(super) clock: SharedClock,
    pub(super) max_queues_per_call: usize,
    /// How long a caller waits at most: it may have joined a group that waits for another to land.
    pub(super) patience: Duration,
    /// `upstream.max_stretch`
    pub(super) max_stretch: f64,
    pub(super) vendor: Arc<dyn Vendor>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) traces: Traces,
}

/// What is to be fetched together.
pub(super) struct Wanted {
    /// The parts, and who asked for each.
    pub(super) parts: Vec<(PartId, Arc<Interest>)>,
    /// Whether the vendor's budget may be waited for: not if something stale stands by for every part.
    pub(super) patience: Patience,
    /// How many requests wait for it when it leaves.
    pub(super) askers: usize,
    /// The first of them whose trace is recorded.
    pub(super) asker: TracePoint,
}

impl Calls {
    /// The fetch of `parts` of one shape, as its calls share it.
    pub(super) fn errand(
        self: &Arc<Self>,
        shape: &Shape,
        interval: Option<Interval>,
        wanted: &Wanted,
        trace: TracePoint,
    ) -> Arc<Errand> {
        Arc::new(Errand {
            calls: Arc::clone(self),
            shape: shape.clone(),
            interval,
            patience: wanted.patience,
            trace,
            interests: wanted.parts.iter().cloned().collect(),
        })
    }

    /// The calls that bring `parts`: queues together, as many as may be in a call.
    pub(super) fn trips(&self, shape: &Shape, parts: Vec<(PartId, Arc<Interest>)>) -> Vec<Trip> {
        let mut trips = Vec::new();
        let mut queues = Vec::new();
        for (part, _) in parts {
            match part {
                PartId::Queue(queue) => queues.push(queue),
                PartId::Document | PartId::Set(_) => trips.push(Trip::Whole(part)),
            }
        }
        // An id that was refused before would have everybody's call refused: it goes alone.
        let refused = |queue: &QueueId| {
            let held = self.store.get(&shape.part(PartId::Queue(queue.clone())));
            held.is_some_and(|held| matches!(held.content, Part::Refused(_)))
        };
        let (alone, together): (Vec<_>, Vec<_>) = queues.into_iter().partition(refused);
        let chunks = together.chunks(self.max_queues_per_call).chain(alone.chunks(1));
        trips.extend(chunks.map(|chunk| Trip::Rows(chunk.to_vec())));
        trips
    }

    /// How a held part may be served now.
    pub(super) fn judge(&self, key: &PartKey, kept: &Entry<Part>) -> Freshness {
        let stretch = kept.stretch.at_least(self.stretch());
        freshness(kept.began, kept.purged(), self.clock.now(), &self.policy(&key.shape, kept), stretch)
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

    /// Tells the policies of now from those of another time.
    pub(super) fn policies_number(&self) -> u64 {
        self.policies_number.load(Ordering::Acquire)
    }

    /// Puts what a call brought that began at `epoch` where it is held, if it is. What was purged since does not come back
    /// as fresh.
    fn hold(&self, key: &PartKey, kept: &Kept, epoch: Epoch) {
        let log = self.purges.log();
        let purged = log.since(epoch, key);
        if let Some(Purged { at, .. }) = purged {
            kept.purge(at);
        }
        if self.keeps(&key.shape, kept) && !purged.is_some_and(|purged| purged.hard) {
            self.store.put(key, Arc::clone(kept));
        }
    }

    /// Whether such a part is kept at all.
    pub(super) fn keeps(&self, shape: &Shape, kept: &Entry<Part>) -> bool {
        !self.policy(shape, kept).ttl.is_zero()
    }
}

/// One group's fetch, as its calls share it.
pub(super) struct Errand {
    calls: Arc<Calls>,
    shape: Shape,
    interval: Option<Interval>,
    patience: Patience,
    trace: TracePoint,
    interests: HashMap<PartId, Arc<Interest>>,
}

impl Errand {
    /// Makes one call.
    pub(super) async fn make(&self, trip: Trip) -> Brought {
        match trip {
            Trip::Whole(part) => Brought { landed: self.whole(part).await, answered: false, refused: None },
            Trip::Rows(queues) => self.rows(queues).await,
        }
    }

    /// Asks for a part that travels alone.
    async fn whole(&self, part: PartId) -> Landed {
        let queues: &[QueueId] = match &part {
            PartId::Set(queues) => queues,
            PartId::Document | PartId::Queue(_) => &[],
        };
        let calls = &self.calls;
        let epoch = calls.purges.epoch();
        if queues.len() > calls.max_queues_per_call {
            let error = UpstreamError::InvalidResponse("its rows cannot be told apart; ask for fewer queues at once");
            let miss = self.failed(error, Effort::default());
            return Landed { outcomes: HashMap::from([(part, Err(miss))]), ..Landed::default() };
        }
        let Called { result, effort, .. } = calls.vendor.call(self.call(queues)).await;
        let outcome = match result {
            Ok(answer) => {
                let coverage = self.coverage(&answer);
                let succeeded = queues.is_empty() || no_row_failed(&answer.body);
                Ok(self.keep(&part, Part::document(answer.body, succeeded), answer.began, coverage, epoch))
            }
            Err(UpstreamError::Rejected(rejection)) => Ok(self.refuse(&part, rejection, epoch)),
            Err(error) => Err(self.failed(error, effort)),
        };
        Landed { outcomes: HashMap::from([(part, outcome)]), effort, ..Landed::default() }
    }

    fn coverage(&self, answer: &Answer) -> Option<Coverage> {
        self.interval.map(|interval| Coverage::new(interval.end(), answer.began_at))
    }

    fn call<'a>(&'a self, queues: &'a [QueueId]) -> VendorCall<'a> {
        VendorCall { shape: &self.shape, queues, patience: self.patience, caller: None, under: &self.trace }
    }

    /// Asks for `queues` in one call.
    async fn rows(&self, queues: Vec<QueueId>) -> Brought {
        let epoch = self.calls.purges.epoch();
        let Called { result, effort, .. } = self.calls.vendor.call(self.call(&queues)).await;
        let answered = result.is_ok();
        let mut landed = Landed { effort, ..Landed::default() };
        let mut refused = None;
        match result {
            Ok(answer) => self.sort(&queues, &answer, epoch, &mut landed),
            Err(UpstreamError::Rejected(rejection)) if queues.len() == 1 => {
                for part in queues.into_iter().map(PartId::Queue) {
                    let kept = self.refuse(&part, rejection.clone(), epoch);
                    landed.outcomes.insert(part, Ok(kept));
                }
            }
            Err(UpstreamError::Rejected(rejection)) => refused = Some((queues, rejection)),
            Err(error) => self.fail(queues, error, &mut landed),
        }
        Brought { landed, answered, refused }
    }

    /// What came of `queues` that are not asked for any more.
    pub(super) fn not_asked(&self, queues: Vec<QueueId>, error: UpstreamError) -> Landed {
        let mut landed = Landed::default();
        self.fail(queues, error, &mut landed);
        landed
    }

    /// What the vendor refuses is remembered, and takes the place of what was held until now.
    fn refuse(&self, part: &PartId, rejection: Rejection, epoch: Epoch) -> Kept {
        self.keep(part, Part::Refused(rejection), self.calls.clock.now(), None, epoch)
    }

    fn fail(&self, queues: Vec<QueueId>, error: UpstreamError, landed: &mut Landed) {
        let miss = self.failed(error, landed.effort);
        landed.outcomes.extend(queues.into_iter().map(|queue| (PartId::Queue(queue), Err(miss.clone()))));
    }

    /// Puts each row of an answer, or its absence, where it belongs.
    fn sort(&self, queues: &[QueueId], answer: &Answer, epoch: Epoch, landed: &mut Landed) {
        let coverage = self.coverage(answer);
        let route = self.shape.route();
        let Some(TakenApart { frame, mut rows, doubtful, is_anothers }) = take_apart(route, &answer.body, queues)
        else {
            return self.doubt(queues.iter(), landed);
        };
        if is_anothers {
            // Nothing is known of these queues, not even that they are absent.
            let error = UpstreamError::InvalidResponse("its rows are of other queues");
            return self.fail(queues.to_vec(), error, landed);
        }
        if !doubtful.is_empty() {
            self.doubt(doubtful.iter(), landed);
        }
        for queue in queues.iter().filter(|queue| !doubtful.contains(queue)) {
            let content = match rows.remove(queue) {
                Some(Row { body, succeeded }) => Part::Row { body, frame: Arc::clone(&frame), succeeded },
                None => Part::Absent { frame: Arc::clone(&frame) },
            };
            let part = PartId::Queue(queue.clone());
            let kept = self.keep(&part, content, answer.began, coverage, epoch);
            landed.outcomes.insert(part, Ok(kept));
        }
    }

    /// Of these it is not known which row is theirs.
    fn doubt<'q>(&self, queues: impl ExactSizeIterator<Item = &'q QueueId>, landed: &mut Landed) {
        let route = self.shape.route();
        events::not_taken_apart(route.template(), queues.len());
        self.calls.metrics.not_taken_apart(route);
        landed.outcomes.extend(queues.map(|queue| (PartId::Queue(queue.clone()), Err(Miss::Whole))));
    }

    fn keep(&self, part: &PartId, content: Part, began: Moment, coverage: Option<Coverage>, epoch: Epoch) -> Kept {
        let interest = self.interests.get(part).cloned().unwrap_or_default();
        let kept = content.kept(began, coverage, interest, self.calls.stretch());
        self.calls.hold(&self.shape.part(part.clone()), &kept, epoch);
        kept
    }

    fn failed(&self, error: UpstreamError, effort: Effort) -> Miss {
        match &error {
            // The caller's own doing, and told to the caller.
            UpstreamError::Rejected(_) => {}
            error => events::vendor_call_failed(self.shape.route().template(), error, effort.calls),
        }
        Miss::Upstream(error)
    }
}
