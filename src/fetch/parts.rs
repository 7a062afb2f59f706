use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use arc_swap::ArcSwap;

use super::{
    Policies,
    asking::Asking,
    calls::Calls,
    demand::Demand,
    ids::{parts_of, whole},
    lanes::{Lanes, most_lanes},
    purges::Purges,
    question::{Question, Questions},
    served::{Failure, Found, Served},
    together::Together,
    unanswered::{Unanswered, lost},
};
use crate::{
    cache::{Freshness, Store},
    clock::{Moment, SharedClock},
    config::Config,
    model::{PartId, Query, Shape},
    telemetry::{Metrics, Traces, traces::RequestSpan},
    upstream::Vendor,
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
        let answered = match self.answer(question, ids, demand, may_be_whole, span).await {
            Err(Unanswered::NotTakenApart) => {
                self.make_whole(shape.clone());
                self.answer(question, vec![whole(query)], demand, may_be_whole, span).await
            }
            other => other,
        };
        answered.map_err(|unanswered| match unanswered {
            Unanswered::Failed(failure) => failure,
            Unanswered::NotTakenApart => lost(),
        })
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
        may_be_whole: bool,
        span: &mut RequestSpan,
    ) -> Result<Served, Unanswered> {
        let now = self.calls.clock.now();
        let asking = Asking::new(&self.calls, &self.lanes, question, demand, may_be_whole);
        let (served, slots) = asking.answer(ids, span).await?;
        // Rows that cannot be told apart are not for everybody who asks this.
        let apart = !slots.iter().any(|slot| matches!(slot.key.part, PartId::Set(_)));
        if let (Found::Hit { .. }, true) = (served.found, apart)
            && let Some(together) = Together::new(&self.calls, &served, slots, now)
        {
            self.questions.answered(question, together);
        }
        Ok(served)
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
