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
    prepared_query::{PreparedQuery, QueryCache},
    purges::Purges,
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
    queries: QueryCache,
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

/// The share of `cache.capacity` for prepared queries and assembled answers: one in this many bytes. The rest is for parts.
const QUERY_CACHE_DIVISOR: u64 = 6;

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
            store: Store::new(capacity - capacity / QUERY_CACHE_DIVISOR),
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
        let queries = QueryCache::new(capacity / QUERY_CACHE_DIVISOR);
        Self { lanes: Lanes::new(Arc::clone(&calls), most_lanes(config)), calls, queries, whole: Mutex::default() }
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

    /// Returns the query of `key`; `read` parses it if no recent request had this key.
    pub fn prepare<E>(&self, key: &[u8], read: impl FnOnce() -> Result<Query, E>) -> Result<Arc<PreparedQuery>, E> {
        self.queries.get(key, self.calls.clock.now(), read)
    }

    /// The answer to `query`. Whether the caller may have it must have been decided before.
    ///
    /// `may_be_whole` says whether rows that cannot be told apart may be passed on together: not to a caller that may see
    /// some queues only. `span` is the request's: the fetches that it asks for or waits for are told there.
    pub async fn get(
        &self,
        query: &Arc<PreparedQuery>,
        demand: Demand,
        may_be_whole: bool,
        span: &mut RequestSpan,
    ) -> Result<Served, Failure> {
        let known = if demand == Demand::default() { query.answer(&self.calls) } else { None };
        let served = match known {
            Some(served) => served,
            // Boxed, so that the future of an answer from memory is small.
            None => Box::pin(self.find(query, demand, may_be_whole, span)).await?,
        };
        let saved = served.effort.calls == 0;
        self.calls.metrics.answer(query.shape.route(), served.parts.counts(), saved);
        Ok(served)
    }

    async fn find(
        &self,
        query: &Arc<PreparedQuery>,
        demand: Demand,
        may_be_whole: bool,
        span: &mut RequestSpan,
    ) -> Result<Served, Failure> {
        let shape = query.shape();
        let ids = parts_of(query.queues(), may_be_whole && self.is_whole(shape));
        let answered = match self.answer(query, ids, demand, may_be_whole, span).await {
            Err(Unanswered::NotTakenApart) => {
                self.make_whole(shape.clone());
                self.answer(query, vec![whole(query.queues())], demand, may_be_whole, span).await
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
        Held { bytes: bytes + self.queries.bytes(), parts, stretch: self.calls.stretch().times() }
    }

    /// Gives memory back. To be called about each second.
    pub fn tidy(&self) {
        let now = self.calls.clock.now();
        self.calls.store.tidy();
        self.queries.tidy();
        self.whole().retain(|_, until| now < *until);
    }

    /// Drops what may not be served any more, not even if the vendor fails. Looks at all that is held: to be called
    /// about each minute.
    pub fn sweep(&self) {
        self.calls.store.sweep(|key, kept| !matches!(self.calls.judge(key, kept), Freshness::Gone));
        self.queries.sweep(&self.calls);
        self.tidy();
    }

    async fn answer(
        &self,
        query: &Arc<PreparedQuery>,
        ids: Vec<PartId>,
        demand: Demand,
        may_be_whole: bool,
        span: &mut RequestSpan,
    ) -> Result<Served, Unanswered> {
        let now = self.calls.clock.now();
        let asking = Asking::new(&self.calls, &self.lanes, query, demand, may_be_whole);
        let (served, slots) = asking.answer(ids, span).await?;
        // Rows that cannot be told apart are not for everybody who asks this.
        let apart = !slots.iter().any(|slot| matches!(slot.key.part, PartId::Set(_)));
        if let (Found::Hit { .. }, true) = (served.found, apart)
            && let Some(together) = Together::new(&self.calls, &served, slots, now)
        {
            self.queries.answered(query, together);
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
