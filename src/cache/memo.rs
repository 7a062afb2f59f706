use std::{borrow::Borrow, hash::Hash, sync::Arc};

use foldhash::quality::RandomState;
use moka::{policy::EvictionPolicy, sync::Cache};

use super::Weigh;

/// Results that are cheaper to find again than to work out again, within a bound of bytes. Whether one still holds is
/// for who asks to say.
pub struct Memo<K: Hash + Eq + Send + Sync + 'static, V: Send + Sync + 'static> {
    // Keys can be long, and are hashed at each request: the standard hasher would cost more than all else here.
    results: Cache<K, Arc<V>, RandomState>,
}

/// What becomes of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It stays.
    AsItIs,
    /// It stays, and weighs another weight now.
    Changed,
    /// It is forgotten.
    No,
}

impl<K: Hash + Eq + Clone + Weigh + Send + Sync + 'static, V: Weigh + Send + Sync + 'static> Memo<K, V> {
    /// Holds at most `capacity` bytes.
    pub fn new(capacity: u64) -> Self {
        let weight = |key: &K, result: &Arc<V>| u32::try_from(key.weight() + result.weight()).unwrap_or(u32::MAX);
        let results = Cache::builder()
            .max_capacity(capacity)
            .weigher(weight)
            .eviction_policy(EvictionPolicy::lru())
            .build_with_hasher(RandomState::default());
        Self { results }
    }

    /// What was worked out for `key`.
    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
    {
        self.results.get(key)
    }

    /// Remembers `result` for `key`.
    pub fn put(&self, key: K, result: Arc<V>) {
        self.results.insert(key, result);
    }

    /// Bytes that the results take, as of the last [`tidy`](Self::tidy).
    pub fn bytes(&self) -> u64 {
        self.results.weighted_size()
    }

    /// Looks at each: forgets it, or has it weighed anew, where it has changed. To be called now and then; it takes as
    /// long as there are results.
    pub fn sweep(&self, look: impl Fn(&V) -> Kept) {
        for (key, result) in &self.results {
            match look(&result) {
                Kept::AsItIs => {}
                Kept::Changed => self.results.insert(K::clone(&key), result),
                Kept::No => self.results.invalidate(key.as_ref()),
            }
        }
        self.results.run_pending_tasks();
    }

    /// Does the work that puts leave behind. To be called about each second.
    pub fn tidy(&self) {
        self.results.run_pending_tasks();
    }
}

impl Weigh for Arc<[u8]> {
    fn weight(&self) -> usize {
        self.len()
    }
}
