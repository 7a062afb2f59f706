use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use arc_swap::ArcSwap;

use super::{
    Policies,
    assemble::{Slot, Way, assemble},
    calls::{Calls, Miss, Wanted},
    demand::Demand,
    ids::{parts_of, whole},
    lanes::{Joined, Lanes, Lost, most_lanes},
    part::Kept,
    purges::Purges,
    question::{Question, Questions},
    served::{Failure, FetchError, Forwarded, Found, Served},
    together::Together,
    unanswered::{Unanswered, lost, refusal},
};
use crate::{
    cache::{Freshness, Store},
    clock::{Moment, SharedClock, before},
    config::Config,
    model::{PartId, Query, Shape},
    telemetry::{Metrics, Traces, traces::RequestSpan},
    upstream::{Effort, Patience, UpstreamError, Vendor},
};

/// How long a shape is asked for as a whole after an answer could not be taken apart.
const WHOLE_FOR: Duration = Duration::from_secs(60);
/// Such shapes remembered at most.
const MOST_WHOLE: usize = 1_000;
/// Who waits for a call waits this much longer than it may take: at its end it says why there is no answer.
const LAST_WORD: Duration = Duration::from_millis(100);

/// Answers from parts: held, fetched once for all who wait, or served stale.
pub struct Parts {
    pub(super) calls: Arc<Calls>,
    pub(super) lanes: Arc<Lanes>,
    questions: Questions,
    whole: Mutex<HashMap<Shape, Moment>>,
}

/// What is held now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Held {
    /// Bytes, keys and bookkeeping included.
    pub bytes: u64,
    /// Parts.
    pub parts: u64,
    /// How many times as long as its `ttl` a part is fresh.
    pub stretch: f64,
}

/// The share of `cache.capacity` that questions and their answers put together may take; the rest is for the parts.
const SHARE_OF_QUESTIONS: u64 = 6;

impl Parts {
    /// Nothing is held yet.
    pub fn new(
        config: &Config,
        vendor: Arc<dyn Vendor>,
        clock: SharedClock,
        metrics: Arc<Metrics>,
        traces: Traces,
    ) -> Self {
        let policies = Policies::new(config);
        let capacity = config.cache.capacity.bytes();
        let calls = Arc::new(Calls {
            store: Store::new(capacity - capacity / SHARE_OF_QUESTIONS),
            policies: ArcSwap::from_pointee(policies),
            policies_number: AtomicU64::new(0),
            purges: Purges::default(),
            clock,
            max_queues_per_call: config.upstream.max_queues_per_call.get(),
            patience: config.upstream.request_timeout.saturating_add(LAST_WORD),
            max_stretch: config.upstream.max_stretch,
            vendor,
            metrics,
            traces,
        });
        let questions = Questions::new(capacity / SHARE_OF_QUESTIONS);
        Self { lanes: Lanes::new(Arc::clone(&calls), most_lanes(config)), calls, questions, whole: Mutex::default() }
    }

    /// From now on the freshness and the limits of `config` hold, also for what is held.
    pub fn take_over(&self, config: &Config) {
        self.lanes.set_most(most_lanes(config));
        let policies = Policies::new(config);
        if **self.calls.policies.load() != policies {
            self.calls.set_policies(policies);
            self.lanes.wake_all();
        }
    }

    /// The question that is asked in these words; `read` makes it of them where they were not heard lately.
    pub fn question<E>(&self, words: &[u8], read: impl FnOnce() -> Result<Query, E>) -> Result<Arc<Question>, E> {
        self.questions.get(words, self.calls.clock.now(), read)
    }

    /// The answer to `question`. Whether the caller may have it must have been decided before.
    ///
    /// `may_be_whole` says whether rows that cannot be told apart may be passed on together: not to a caller that may see
    /// some queues only. `span` is the request's: the fetches that it asks for or waits for are told there.
    pub async fn get(
        &self,
        question: &Arc<Question>,
        demand: Demand,
        may_be_whole: bool,
        span: &mut RequestSpan,
    ) -> Result<Served, Failure> {
        let known = if demand == Demand::default() { question.answer(&self.calls) } else { None };
        let served = match known {
            Some(served) => served,
            // Boxed, so that the future of an answer from memory is small.
            None => Box::pin(self.find(question, demand, may_be_whole, span)).await?,
        };
        let saved = served.effort.calls == 0;
        self.calls.metrics.answer(question.shape.route(), served.parts.counts(), saved);
        Ok(served)
    }

    async fn find(
        &self,
        question: &Arc<Question>,
        demand: Demand,
        may_be_whole: bool,
        span: &mut RequestSpan,
    ) -> Result<Served, Failure> {
        let Question { query, shape, .. } = question.as_ref();
        let ids = parts_of(query, may_be_whole && self.is_whole(shape));
        match self.answer(question, ids, demand, span).await {
            Ok(served) => Ok(served),
            Err(Unanswered::Failed(failure)) => Err(failure),
            Err(Unanswered::NotTakenApart) if !may_be_whole => {
                let error = UpstreamError::InvalidResponse("its rows cannot be told apart").into();
                Err(Failure { error, effort: Effort::default() })
            }
            Err(Unanswered::NotTakenApart) => {
                self.make_whole(shape.clone());
                self.answer(question, vec![whole(query)], demand, span).await.map_err(|unanswered| match unanswered {
                    Unanswered::Failed(failure) => failure,
                    Unanswered::NotTakenApart => lost(),
                })
            }
        }
    }

    /// Whether anything is held that may be served, at least if the vendor fails.
    pub fn holds_servable(&self) -> bool {
        let calls = &self.calls;
        calls.store.any(|key, kept| !matches!(calls.judge(key, kept), Freshness::Gone))
    }

    /// What the parts that are held take, in bytes, and how many there are; and how far `ttl`s stretch now.
    pub fn held(&self) -> Held {
        let (bytes, parts) = self.calls.store.size();
        Held { bytes: bytes + self.questions.bytes(), parts, stretch: self.calls.stretch().times() }
    }

    /// Gives memory back. To be called about each second.
    pub fn tidy(&self) {
        let now = self.calls.clock.now();
        self.calls.store.tidy();
        self.questions.tidy();
        self.whole().retain(|_, until| now < *until);
    }

    /// Drops what may not be served any more, not even if the vendor fails. Looks at all that is held: to be called
    /// about each minute.
    pub fn sweep(&self) {
        self.calls.store.sweep(|key, kept| !matches!(self.calls.judge(key, kept), Freshness::Gone));
        self.questions.sweep(&self.calls);
        self.tidy();
    }

    async fn answer(
        &self,
        question: &Arc<Question>,
        ids: Vec<PartId>,
        demand: Demand,
        span: &mut RequestSpan,
    ) -> Result<Served, Unanswered> {
        let Question { query, shape, .. } = question.as_ref();
        let now = self.calls.clock.now();
        let mut slots: Vec<Slot> = ids.into_iter().map(|id| self.look(shape, id, demand, now)).collect();
        // Before anything is spent on the rest of a question that is refused all the same.
        refusal(query, &slots, Effort::default())?;
        let effort = self.fill(query, shape, &mut slots, (demand, now), span).await?;
        refusal(query, &slots, effort)?;
        let served = assemble(&self.calls, &slots, effort).ok_or_else(|| Unanswered::Failed(lost()))?;
        // Rows that cannot be told apart are not for everybody who asks this.
        let apart = !slots.iter().any(|slot| matches!(slot.key.part, PartId::Set(_)));
        if let (Found::Hit { .. }, true) = (served.found, apart)
            && let Some(together) = Together::new(&self.calls, &served, slots, now)
        {
            self.questions.answered(question, together);
        }
        Ok(served)
    }

    /// What is held for a part, and what is to be done for it.
    fn look(&self, shape: &Shape, id: PartId, demand: Demand, now: Moment) -> Slot {
        let key = shape.part(id);
        let held = self.calls.store.get(&key);
        if let Some(held) = &held {
            held.interest.note(now);
        }
        let young = held.as_ref().is_none_or(|held| demand.takes(held.began, now));
        let way = match held.as_ref().map(|held| self.calls.judge(&key, held)) {
            Some(Freshness::Fresh { .. }) if young => Way::Hit,
            Some(Freshness::Fresh { .. }) => Way::Unwanted,
            Some(Freshness::StaleWhileRevalidate { past }) if young => Way::Revalidating { past },
            Some(Freshness::StaleWhileRevalidate { .. } | Freshness::StaleIfError { .. }) => Way::Stale,
            Some(Freshness::Gone) | None => Way::Missing,
        };
        Slot { key, kept: held, way }
    }

    /// Fetches what must be fetched, and begins to refresh what may be served meanwhile.
    async fn fill(
        &self,
        query: &Query,
        shape: &Shape,
        slots: &mut [Slot],
        (demand, now): (Demand, Moment),
        span: &mut RequestSpan,
    ) -> Result<Effort, Unanswered> {
        let to_fetch = slots.iter().filter(|slot| !matches!(slot.way, Way::Hit));
        let parts: Vec<_> = to_fetch
            .map(|slot| {
                let interest = slot.kept.as_ref().map(|kept| Arc::clone(&kept.interest)).unwrap_or_default();
                interest.note(now);
                (slot.key.part.clone(), interest)
            })
            .collect();
        if parts.is_empty() {
            return Ok(Effort::default());
        }
        let nothing_stands_by = slots.iter().any(|slot| matches!(slot.way, Way::Missing));
        let patience = if nothing_stands_by { Patience::Waits } else { Patience::None };
        let must_wait = slots.iter().any(Slot::must_be_fetched);
        if must_wait && demand.only_if_cached {
            return Err(Unanswered::Failed(Failure { error: FetchError::NotHeld, effort: Effort::default() }));
        }
        let wanted = Wanted { parts, patience, askers: 1, asker: span.point() };
        let joined = match self.lanes.join(shape, query.interval(), wanted, demand) {
            Ok(joined) => joined,
            // The refresh runs a little later.
            Err(_) if !must_wait => return Ok(Effort::default()),
            Err(full) => return self.fall_back(slots, &FetchError::Full(full), Effort::default(), demand),
        };
        if !must_wait {
            return Ok(Effort::default());
        }
        self.wait(joined, slots, demand, span).await
    }

    async fn wait(
        &self,
        joined: Joined,
        slots: &mut [Slot],
        demand: Demand,
        span: &mut RequestSpan,
    ) -> Result<Effort, Unanswered> {
        let Joined { held, tickets } = joined;
        let mut outcomes: HashMap<PartId, (Result<Kept, Miss>, bool)> = HashMap::new();
        let mut effort = Effort::default();
        let clock = self.calls.clock.as_ref();
        let asked_at = clock.now();
        let deadline = asked_at.after(self.calls.patience);
        let mut missed = FetchError::Lost(Lost);
        let held: HashMap<PartId, Kept> = held.into_iter().collect();
        for mut ticket in tickets {
            let there = |slot: &Slot| outcomes.contains_key(&slot.key.part) || held.contains_key(&slot.key.part);
            if slots.iter().filter(|slot| slot.must_be_fetched()).all(there) {
                // The rest is a refresh that nobody waits for.
                break;
            }
            let leads = ticket.leads;
            let landed = match before(clock, deadline, ticket.landed()).await {
                Some(Ok(landed)) => landed,
                Some(Err(Lost)) => continue,
                None => {
                    missed = FetchError::Upstream(UpstreamError::Timeout);
                    continue;
                }
            };
            span.waited_for(&landed.trace);
            if leads {
                effort += landed.effort;
            }
            let waited_for = |slot: &&Slot| slot.must_be_fetched() && ticket.parts.contains(&slot.key.part);
            for slot in slots.iter().filter(waited_for) {
                if let Some(outcome) = landed.outcomes.get(&slot.key.part) {
                    // The first comes first: a later group's failure takes nothing away.
                    outcomes.entry(slot.key.part.clone()).or_insert_with(|| (outcome.clone(), leads));
                }
            }
        }
        let mut failed = None;
        for slot in slots.iter_mut().filter(|slot| slot.must_be_fetched()) {
            // A group that has not landed yet may have brought this part already.
            let late = || self.fresh(slot, demand, asked_at).filter(|_| !outcomes.contains_key(&slot.key.part));
            if let Some(kept) = held.get(&slot.key.part).cloned().or_else(late) {
                (slot.kept, slot.way) = (Some(kept), Way::Hit);
                continue;
            }
            match outcomes.remove(&slot.key.part) {
                Some((Ok(kept), led)) => {
                    let why = slot.forwarded().unwrap_or(Forwarded::UriMiss);
                    (slot.kept, slot.way) = (Some(kept), Way::Fetched { led, why });
                }
                Some((Err(Miss::Whole), _)) => return Err(Unanswered::NotTakenApart),
                Some((Err(Miss::Lost), _)) => failed = failed.or(Some(FetchError::Lost(Lost))),
                Some((Err(Miss::Upstream(error)), _)) => {
                    failed = Some(match failed {
                        // A refusal is told before a failure: it will not pass.
                        Some(refusal @ FetchError::Upstream(UpstreamError::Rejected(_))) => refusal,
                        _ => FetchError::Upstream(error),
                    });
                }
                None => failed = failed.or_else(|| Some(missed.clone())),
            }
        }
        match failed {
            None => Ok(effort),
            Some(error) => self.fall_back(slots, &error, effort, demand),
        }
    }

    /// What is held for a slot by now, if it is fresh and young enough.
    fn fresh(&self, slot: &Slot, demand: Demand, asked_at: Moment) -> Option<Kept> {
        let kept = self.calls.store.get(&slot.key)?;
        let fresh = matches!(self.calls.judge(&slot.key, &kept), Freshness::Fresh { .. });
        (fresh && demand.takes(kept.began, asked_at)).then_some(kept)
    }

    /// What may be served although its fetch failed, judged after the wait for it: the window may have ended
    /// meanwhile. A refusal of the request itself is never papered over.
    fn fall_back(
        &self,
        slots: &mut [Slot],
        error: &FetchError,
        effort: Effort,
        demand: Demand,
    ) -> Result<Effort, Unanswered> {
        // Who demands something young is not served something old instead.
        let demanding = demand.max_age.is_some();
        let refused = matches!(error, FetchError::Upstream(UpstreamError::Rejected(_)));
        for slot in slots.iter_mut().filter(|slot| slot.must_be_fetched()) {
            let judged = slot.kept.as_ref().map(|kept| self.calls.judge(&slot.key, kept));
            match judged {
                // `ttl`s may have been stretched meanwhile.
                Some(Freshness::Fresh { .. }) if !refused && !demanding => slot.way = Way::Hit,
                Some(Freshness::StaleWhileRevalidate { past } | Freshness::StaleIfError { past })
                    if !refused && !demanding =>
                {
                    slot.way = Way::InsteadOfError { past };
                }
                _ => return Err(Unanswered::Failed(Failure { error: error.clone(), effort })),
            }
        }
        Ok(effort)
    }

    pub(super) fn is_whole(&self, shape: &Shape) -> bool {
        let now = self.calls.clock.now();
        self.whole().get(shape).is_some_and(|until| now < *until)
    }

    fn make_whole(&self, shape: Shape) {
        let until = self.calls.clock.now().after(WHOLE_FOR);
        let mut whole = self.whole();
        if whole.len() < MOST_WHOLE {
            whole.insert(shape, until);
        }
    }

    fn whole(&self) -> std::sync::MutexGuard<'_, HashMap<Shape, Moment>> {
        self.whole.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
