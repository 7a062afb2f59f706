use std::{
    borrow::Borrow,
    hash::{BuildHasher, Hash, RandomState},
    sync::Arc,
};

use moka::{policy::EvictionPolicy, sync::Cache};

use super::Weigh;

/// Results that are cheaper to find again than to work out again, within a bound of bytes. Whether one still holds is
/// for who asks to say.
pub struct Memo<K: Hash + Eq + Send + Sync + 'static, V: Send + Sync + 'static> {
    /// By the hash of their keys, for the reason that [`Store`](super::Store) has: moka keeps removed keys.
    ///
    /// The hash is the standard library's SipHash-1-3 with a random seed, since callers write the keys and other hashers
    /// claim less against chosen collisions. It is computed once per request. Instructions by callgrind, for a key of 120
    /// bytes, 1,000 bytes and 20,000 bytes: SipHash 522, 2,722, 50,222; ahash 139, 854, 16,285; foldhash, which makes no such
    /// claim, 109, 505, 8,425.
    results: Cache<u64, Arc<Remembered<K, V>>>,
    keys: RandomState,
}

struct Remembered<K, V> {
    key: K,
    result: Arc<V>,
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

impl<K: Hash + Eq + Weigh + Send + Sync + 'static, V: Weigh + Send + Sync + 'static> Memo<K, V> {
    /// Holds at most `capacity` bytes.
    pub fn new(capacity: u64) -> Self {
        let weight = |_: &u64, held: &Arc<Remembered<K, V>>| {
            u32::try_from(held.key.weight() + held.result.weight()).unwrap_or(u32::MAX)
        };
        let results =
            Cache::builder().max_capacity(capacity).weigher(weight).eviction_policy(EvictionPolicy::lru()).build();
        Self { results, keys: RandomState::new() }
    }

    /// What was worked out for `key`.
    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
    {
        let held = self.results.get(&self.keys.hash_one(key))?;
        (held.key.borrow() == key).then(|| Arc::clone(&held.result))
    }

    /// Remembers `result` for `key`.
    pub fn put(&self, key: K, result: Arc<V>) {
        self.results.insert(self.keys.hash_one(&key), Arc::new(Remembered { key, result }));
    }

    /// Bytes that the results take, as of the last [`tidy`](Self::tidy).
    pub fn bytes(&self) -> u64 {
        self.results.weighted_size()
    }

    /// Looks at each: forgets it, or has it weighed anew, where it has changed. To be called now and then; it takes as
    /// long as there are results.
    pub fn sweep(&self, look: impl Fn(&V) -> Kept) {
        for (hash, held) in &self.results {
            match look(&held.result) {
                Kept::AsItIs => {}
                Kept::Changed => self.results.insert(*hash, held),
                Kept::No => self.results.invalidate(hash.as_ref()),
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
