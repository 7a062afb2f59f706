use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use moka::{
    ops::compute::{CompResult, Op},
    policy::EvictionPolicy,
    sync::Cache,
};

use super::{Entry, Weigh};
use crate::{clock::Moment, model::PartKey};

/// Where parts are held, within a bound of bytes. Whether one may be served is not its business.
pub struct Store<T: Send + Sync + 'static> {
    /// By the hash of their keys, see [`hash`](Self::hash).
    parts: Cache<u64, Arc<Held<T>>>,
    keys: RandomState,
}

struct Held<T> {
    key: PartKey,
    entry: Arc<Entry<T>>,
}

impl<T: Weigh + Send + Sync + 'static> Store<T> {
    /// Holds at most `capacity` bytes, keys and bookkeeping included. Nothing in here grows too old: how long a part is of
    /// use can change while it is held, so that is for who [`sweep`](Self::sweep)s to say.
    pub fn new(capacity: u64) -> Self {
        let weight =
            |_: &u64, held: &Arc<Held<T>>| u32::try_from(held.key.weight() + held.entry.weight()).unwrap_or(u32::MAX);
        let parts = Cache::builder()
            .max_capacity(capacity)
            .weigher(weight)
            // Least recently used: a new part is never refused, and the wallboards' parts, asked for every few
            // seconds, outlive any flood.
            .eviction_policy(EvictionPolicy::lru())
            .eviction_listener(|_, held, _| held.entry.leave())
            .build();
        Self { parts, keys: RandomState::new() }
    }

    /// What moka has for a key. moka keeps a removed key until its bucket array is rebuilt, which may be never: 60 KiB for
    /// each survey query if the key were the [`PartKey`]. The hash is keyed, since callers write these bytes; two keys with
    /// one hash displace each other, and [`get`](Self::get) compares the whole key.
    fn hash(&self, key: &PartKey) -> u64 {
        self.keys.hash_one(key)
    }

    /// The part under `key`, however old.
    pub fn get(&self, key: &PartKey) -> Option<Arc<Entry<T>>> {
        self.parts.get(&self.hash(key)).filter(|held| held.key == *key).map(|held| Arc::clone(&held.entry))
    }

    /// Holds `entry`, unless what is held began later. Gives what is held then.
    pub fn put(&self, key: &PartKey, entry: Arc<Entry<T>>) -> Arc<Entry<T>> {
        let new = Arc::new(Held { key: key.clone(), entry: Arc::clone(&entry) });
        let result = self.parts.entry(self.hash(key)).and_compute_with(|held| match held {
            Some(held) if held.value().key == *key && held.value().entry.began > new.entry.began => Op::Nop,
            Some(held) => {
                // Before the newer one can be seen: else an answer made of the older could follow one made of it.
                held.value().entry.leave();
                Op::Put(new)
            }
            None => Op::Put(new),
        });
        match result {
            CompResult::Unchanged(held) => Arc::clone(&held.into_value().entry),
            _ => entry,
        }
    }

    /// Removes `old`. A part that replaced it stays.
    pub fn remove_entry(&self, key: &PartKey, old: &Arc<Entry<T>>) {
        old.leave();
        self.parts.entry(self.hash(key)).and_compute_with(|held| match held {
            Some(held) if Arc::ptr_eq(&held.value().entry, old) => Op::Remove,
            _ => Op::Nop,
        });
    }

    /// Drops what `of_use` says no of. To be called now and then, so that a store that nobody asks gives memory back.
    pub fn sweep(&self, of_use: impl Fn(&PartKey, &Entry<T>) -> bool) {
        for (hash, held) in &self.parts {
            if !of_use(&held.key, &held.entry) {
                self.remove(*hash, &held);
            }
        }
    }

    /// Removes `old`. A part that replaced it stays.
    fn remove(&self, hash: u64, old: &Arc<Held<T>>) {
        self.parts.entry(hash).and_compute_with(|held| match held {
            Some(held) if Arc::ptr_eq(held.value(), old) => Op::Remove,
            _ => Op::Nop,
        });
    }

    /// Drops the parts that `meant` says yes of, or ends only their freshness where `since` says when. Gives their number.
    pub fn purge(&self, meant: impl Fn(&PartKey) -> bool, since: Option<Moment>) -> u64 {
        let mut purged = 0;
        for (hash, held) in self.parts.iter().filter(|(_, held)| meant(&held.key)) {
            purged += 1;
            match since {
                Some(now) => held.entry.purge(now),
                None => {
                    // Before it is gone: what was made of it must not outlive it.
                    held.entry.leave();
                    self.remove(*hash, &held);
                }
            }
        }
        purged
    }

    /// Shows each part that is held. Looking is no use: what is dropped first does not change by it.
    pub fn look(&self, mut at: impl FnMut(&PartKey, &Arc<Entry<T>>)) {
        self.parts.iter().for_each(|(_, held)| at(&held.key, &held.entry));
    }

    /// Whether `usable` says yes of any part that is held.
    pub fn any(&self, usable: impl Fn(&PartKey, &Entry<T>) -> bool) -> bool {
        self.parts.iter().any(|(_, held)| usable(&held.key, &held.entry))
    }

    /// Bytes that the parts take and how many there are, as of the last [`tidy`](Self::tidy).
    pub fn size(&self) -> (u64, u64) {
        (self.parts.weighted_size(), self.parts.entry_count())
    }

    /// Does the work that puts leave behind: eviction, expiry. To be called about each second.
    pub fn tidy(&self) {
        self.parts.run_pending_tasks();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        cache::Stretch,
        model::{CompanyId, Forwarded, PartId, Query, QueueId, Subject},
    };

    impl Weigh for &'static str {
        fn weight(&self) -> usize {
            self.len()
        }
    }

    fn key(company: u64) -> PartKey {
        let subject = Subject::Questions(CompanyId::try_from(company).unwrap());
        Query { subject, forwarded: Forwarded::default() }.shape().part(PartId::Document)
    }

    fn entry(content: &'static str, began: u64) -> Arc<Entry<&'static str>> {
        let began = Moment::default().after(Duration::from_secs(began));
        Arc::new(Entry::new(content, began, None, Arc::default(), Stretch::NONE))
    }

    #[test]
    fn an_older_fetch_never_overwrites_a_newer_one() {
        let store = Store::new(1 << 20);
        store.put(&key(1), entry("newer", 2));
        store.put(&key(1), entry("older", 1));
        assert_eq!(store.get(&key(1)).unwrap().content, "newer");
        store.put(&key(1), entry("newest", 3));
        assert_eq!(store.get(&key(1)).unwrap().content, "newest");
    }

    #[test]
    fn an_entry_knows_at_once_that_it_is_held_no_more() {
        let store = Store::new(1 << 20);
        let (first, second) = (entry("first", 1), entry("second", 2));
        store.put(&key(1), Arc::clone(&first));
        assert!(!first.has_left());
        store.put(&key(1), Arc::clone(&second));
        assert!(first.has_left() && !second.has_left());
        store.sweep(|_, entry| entry.content == "second");
        assert!(!second.has_left());
        store.sweep(|_, entry| entry.content != "second");
        assert!(second.has_left() && store.get(&key(1)).is_none());
    }

    #[test]
    fn a_flood_of_keys_ends_at_the_bound() {
        let capacity = 1 << 20;
        let store = Store::new(capacity);
        let flooded = entry("x", 1);
        store.put(&key(1), Arc::clone(&flooded));
        let (shape, small) = (key(2).shape, entry("x", 1));
        let mut most = 0;
        // `cargo bench --bench memory` sends a million through the whole gateway.
        for number in 0..50_000_u32 {
            let queue = QueueId::try_from(number.to_string()).unwrap();
            store.put(&shape.part(PartId::Queue(queue)), Arc::clone(&small));
            if number % 1_000 == 0 {
                most = most.max(store.parts.weighted_size());
            }
        }
        store.tidy();
        let (bytes, parts) = store.size();
        assert!(bytes <= capacity && most <= capacity, "{bytes}, {most} in between");
        assert!((100..capacity / 300).contains(&parts), "{parts}");
        assert!(flooded.has_left());
    }
}
