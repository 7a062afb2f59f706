use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::{
    Policies,
    batcher::{Batcher, max_shapes},
    demand::Demand,
    ids::{parts_of, whole},
    lookup::{Lookup, LookupError},
    own_calls::OwnCalls,
    prefetch::Prefetcher,
    prepared_query::{PreparedQuery, QueryCache},
    purges::Purges,
    served::{Failure, FetchError, Found, Served},
    together::Together,
    upstream_fetch::PartFetcher,
    waiting::RequestContext,
};
use crate::{
    cache::{Freshness, Store},
    clock::SharedClock,
    config::Config,
    model::{CallerName, PartId, Query},
    telemetry::{Metrics, Traces, traces::RequestSpan},
    upstream::{Effort, Vendor},
};

/// Who waits for a call waits this much longer than it may take: at its end it says why there is no answer.
const LAST_WORD: Duration = Duration::from_millis(100);

/// Answers from parts: held, fetched once for all who wait, or served stale.
pub struct Parts {
    pub(super) fetcher: Arc<PartFetcher>,
    pub(super) batcher: Arc<Batcher>,
    prefetcher: Arc<Prefetcher>,
    queries: QueryCache,
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

/// One part in so many of `cache.capacity` is for prepared queries and their assembled answers; the rest is for parts.
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
        let fetcher = Arc::new(PartFetcher {
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
            whole_mode: Mutex::default(),
        });
        let queries = QueryCache::new(capacity / QUERY_CACHE_DIVISOR);
        let prefetcher = Arc::new(Prefetcher::default());
        let own_calls = OwnCalls::new(Arc::clone(&fetcher), Arc::clone(&prefetcher));
        let batcher = Batcher::new(Arc::clone(&fetcher), own_calls, Arc::clone(&prefetcher), max_shapes(config));
        Self { fetcher, batcher, prefetcher, queries }
    }

    /// From now on the freshness and the limits of `config` hold, also for what is held.
    pub fn apply_config(&self, config: &Config) {
        self.batcher.set_max_shapes(max_shapes(config));
        let policies = Policies::new(config);
        if **self.fetcher.policies.load() != policies {
            self.fetcher.set_policies(policies);
            self.prefetcher.wake();
        }
    }

    /// Keeps hot parts fresh, for ever. To be run as one task.
    pub async fn refresh_ahead(&self) {
        Arc::clone(&self.batcher).refresh_ahead().await;
    }

    /// Returns the query of `key`; `read` parses it if no recent request had this key.
    pub fn prepare<E>(&self, key: &[u8], read: impl FnOnce() -> Result<Query, E>) -> Result<Arc<PreparedQuery>, E> {
        self.queries.get(key, self.fetcher.clock.now(), read)
    }

    /// The answer to `query`, which `caller` asks. Whether it may have it must have been decided before.
    ///
    /// `sees_all` says whether the caller may see all queues: then it may get rows together that cannot be split, and all
    /// members of the envelope. `span` is the request's: the fetches that it starts or waits for are noted there.
    pub async fn get(
        &self,
        query: &Arc<PreparedQuery>,
        demand: Demand,
        (caller, sees_all): (&CallerName, bool),
        span: &RequestSpan,
    ) -> Result<Served, Failure> {
        let known = if demand == Demand::default() { query.answer(&self.fetcher) } else { None };
        let mut served = match known {
            Some(served) => served,
            // Boxed, so that the future of an answer from memory is small.
            None => Box::pin(self.find(query, demand, (caller, sees_all), span)).await?,
        };
        if let Some(restricted) = served.restricted.take().filter(|_| !sees_all) {
            served.body = restricted;
        }
        let saved = served.effort.calls == 0;
        self.fetcher.metrics.answer(query.shape().route(), served.parts.counts(), saved);
        Ok(served)
    }

    async fn find(
        &self,
        query: &Arc<PreparedQuery>,
        demand: Demand,
        caller: (&CallerName, bool),
        span: &RequestSpan,
    ) -> Result<Served, Failure> {
        let (shape, queues) = (query.shape(), query.queues());
        let since = self.fetcher.clock.now();
        let is_whole = caller.1 && self.fetcher.in_whole_mode(shape, queues) && !self.holds_rejected(shape, queues);
        let ids = parts_of(queues, is_whole);
        let answered = match self.answer(query, ids, demand, caller, span).await {
            Err(LookupError::Unsplittable { of_shape }) => {
                if of_shape {
                    self.fetcher.whole_mode().turn_on(shape, self.fetcher.clock.now());
                }
                self.answer(query, vec![whole(queues)], demand, caller, span).await
            }
            other => other,
        };
        match answered {
            Ok(served) => Ok(served),
            Err(LookupError::Failed(failure)) => {
                let context = RequestContext {
                    caller: caller.0.clone(),
                    demand,
                    since,
                    deadline: since.after(self.fetcher.patience),
                    trace: span.point(),
                };
                Err(self.name_bad_ids(query, context, failure).await)
            }
            // A whole answer is not split.
            Err(LookupError::Unsplittable { .. }) => {
                Err(Failure { error: FetchError::Lost(super::Lost), effort: Effort::default() })
            }
        }
    }

    /// Whether anything is held that may be served, at least if the vendor fails.
    pub fn holds_servable(&self) -> bool {
        let fetcher = &self.fetcher;
        fetcher.store.any(|key, kept| !matches!(fetcher.judge(key, kept), Freshness::Gone))
    }

    /// What the parts that are held take, in bytes, and how many there are; and how far `ttl`s stretch now.
    pub fn held(&self) -> Held {
        let (bytes, parts) = self.fetcher.store.size();
        Held { bytes: bytes + self.queries.bytes(), parts, stretch: self.fetcher.stretch().times() }
    }

    /// Gives memory back. To be called about each second.
    pub fn tidy(&self) {
        let now = self.fetcher.clock.now();
        self.fetcher.store.tidy();
        self.queries.tidy();
        self.fetcher.whole_mode().tidy(now);
        self.batcher.own_calls.tidy();
    }

    /// Drops what may not be served any more, not even if the vendor fails. Looks at all that is held: to be called
    /// about each minute.
    pub fn sweep(&self) {
        self.fetcher.store.sweep(|key, kept| !matches!(self.fetcher.judge(key, kept), Freshness::Gone));
        self.queries.sweep(&self.fetcher);
        self.tidy();
    }

    async fn answer(
        &self,
        query: &Arc<PreparedQuery>,
        ids: Vec<PartId>,
        demand: Demand,
        (caller, sees_all): (&CallerName, bool),
        span: &RequestSpan,
    ) -> Result<Served, LookupError> {
        let now = self.fetcher.clock.now();
        let lookup = Lookup {
            fetcher: &self.fetcher,
            batcher: &self.batcher,
            shape: query.shape(),
            interval: query.interval,
            queues: query.queues(),
            caller,
            demand,
            sees_all,
            since: now,
            effort: Effort::default(),
        };
        let (served, slots) = lookup.answer(ids, span).await?;
        // Rows that cannot be split are not for everybody who asks this.
        let is_split = !slots.iter().any(|slot| matches!(slot.key.part, PartId::Set(_)));
        if let (Found::Hit { .. }, true) = (served.found, is_split)
            && let Some(together) = Together::new(&self.fetcher, &served, slots, now)
        {
            self.queries.answered(query, together);
        }
        Ok(served)
    }
}
