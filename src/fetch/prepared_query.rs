use std::{sync::Arc, time::Duration};

use super::{
    served::Served,
    together::{Since, Together},
    upstream_fetch::PartFetcher,
};
use crate::{
    cache::{Kept, Memo, Weigh},
    clock::Moment,
    model::{Interval, Query, QueueId, Shape},
};
use parking_lot::{Mutex, MutexGuard};

/// A validated query, with what every request for it needs: its shape, its queues and its interval. The parsed JSON and the
/// bytes of the body are not part of it, since a request holds it while it waits for the vendor.
pub struct PreparedQuery {
    pub(super) shape: Shape,
    queues: Arc<[QueueId]>,
    pub(super) interval: Option<Interval>,
    /// The key of the memo; `None` if the query is not remembered.
    key: Option<Arc<[u8]>>,
    asked: Since,
    answer: Mutex<Option<Together>>,
}

/// Prepared queries by the bytes of their requests, each with its last answer: a repeated request is neither parsed nor
/// assembled again while none of its parts changes.
pub(super) struct QueryCache(Memo<Arc<[u8]>, PreparedQuery>);

/// How exactly the time of a query's last request is known.
const TOUCH_INTERVAL: Duration = Duration::from_secs(1);
/// A query without a request for this long is forgotten.
const IDLE_EXPIRY: Duration = Duration::from_secs(60);

impl PreparedQuery {
    /// A query that is not remembered.
    pub fn once(query: &Query) -> Self {
        Self::new(query, None, Moment::default())
    }

    fn new(query: &Query, key: Option<Arc<[u8]>>, now: Moment) -> Self {
        Self {
            shape: query.shape(),
            queues: query.shared_queues(),
            interval: query.interval(),
            key,
            asked: Since::new(now),
            answer: Mutex::default(),
        }
    }

    /// All of the query but its queues. It names the company, if there is one.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The queues in the order asked, doubled ones too; empty where the route has none.
    pub fn queues(&self) -> &[QueueId] {
        &self.queues
    }

    /// Returns the answer as it was last assembled, if that is still valid.
    pub(super) fn answer(&self, fetcher: &PartFetcher) -> Option<Served> {
        self.together().as_ref()?.serve(fetcher)
    }

    fn together(&self) -> MutexGuard<'_, Option<Together>> {
        self.answer.lock()
    }
}

impl QueryCache {
    /// Holds at most `capacity` bytes, the answers included.
    pub(super) fn new(capacity: u64) -> Self {
        Self(Memo::new(capacity))
    }

    /// Returns the query of `key`; `read` parses it if it is not remembered.
    pub(super) fn get<E>(
        &self,
        key: &[u8],
        now: Moment,
        read: impl FnOnce() -> Result<Query, E>,
    ) -> Result<Arc<PreparedQuery>, E> {
        if let Some(query) = self.0.get(key) {
            query.asked.is_over(TOUCH_INTERVAL, now);
            return Ok(query);
        }
        let key: Arc<[u8]> = key.into();
        let query = Arc::new(PreparedQuery::new(&read()?, Some(Arc::clone(&key)), now));
        self.0.put(key, Arc::clone(&query));
        Ok(query)
    }

    /// Remembers how `query` was answered.
    pub(super) fn answered(&self, query: &Arc<PreparedQuery>, together: Together) {
        let Some(key) = &query.key else { return };
        *query.together() = Some(together);
        // To be weighed again.
        self.0.put(Arc::clone(key), Arc::clone(query));
    }

    /// Bytes that they take.
    pub(super) fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    /// Forgets queries without requests, and answers that are no longer valid.
    pub(super) fn sweep(&self, fetcher: &PartFetcher) {
        let (now, stretch, policies) = (fetcher.clock.now(), fetcher.stretch(), fetcher.policies_number());
        self.0.sweep(|query| {
            if query.asked.was_before(IDLE_EXPIRY, now) {
                return Kept::No;
            }
            match query.together().take_if(|together| !together.holds(now, stretch, policies)) {
                Some(_) => Kept::Changed,
                None => Kept::AsItIs,
            }
        });
    }

    /// Does the work that puts leave behind.
    pub(super) fn tidy(&self) {
        self.0.tidy();
    }
}

impl Weigh for PreparedQuery {
    fn weight(&self) -> usize {
        /// The query itself and the bookkeeping of the cache, as `tests/weights.rs` measures them.
        const OVERHEAD: usize = 640;
        let queues = self.queues.iter().map(QueueId::weight).sum::<usize>();
        let answer = self.together().as_ref().map_or(0, Weigh::weight);
        OVERHEAD + self.shape.weight() + queues + answer
    }
}
