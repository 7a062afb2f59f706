use std::sync::Arc;

use foldhash::quality::RandomState;
use moka::{ops::compute::Op, policy::EvictionPolicy, sync::Cache};

use super::{Entry, Weigh};
use crate::{clock::Moment, model::PartKey};

/// Where parts are held, within a bound of bytes. Whether one may be served is not its business.
pub struct Store<T: Send + Sync + 'static> {
    parts: Cache<PartKey, Arc<Entry<T>>, RandomState>,
}

impl<T: Weigh + Send + Sync + 'static> Store<T> {
    /// Holds at most `capacity` bytes, keys and bookkeeping included. Nothing in here grows too old: how long a part is of
    /// use can change while it is held, so that is for who [`sweep`](Self::sweep)s to say.
    pub fn new(capacity: u64) -> Self {
        let weight =
            |key: &PartKey, entry: &Arc<Entry<T>>| u32::try_from(key.weight() + entry.weight()).unwrap_or(u32::MAX);
        let parts = Cache::builder()
            .max_capacity(capacity)
            .weigher(weight)
            // Least recently used: a new part is never refused, and the wallboards' parts, asked for every few
            // seconds, outlive any flood.
            .eviction_policy(EvictionPolicy::lru())
            .eviction_listener(|_, entry, _| entry.leave())
            .build_with_hasher(RandomState::default());
        Self { parts }
    }

    /// The part under `key`, however old.
    pub fn get(&self, key: &PartKey) -> Option<Arc<Entry<T>>> {
        self.parts.get(key)
    }

    /// Holds `entry`, unless what is held began later.
    pub fn put(&self, key: &PartKey, entry: Arc<Entry<T>>) {
        self.parts.entry_by_ref(key).and_compute_with(|held| match held {
            Some(held) if held.value().began > entry.began => Op::Nop,
            Some(held) => {
                // Before the newer one can be seen: else an answer made of the older could follow one made of it.
                held.value().leave();
                Op::Put(entry)
            }
            None => Op::Put(entry),
        });
    }

    /// Drops what `of_use` says no of. To be called now and then, so that a store that nobody asks gives memory back.
    pub fn sweep(&self, of_use: impl Fn(&PartKey, &Entry<T>) -> bool) {
        for (key, entry) in &self.parts {
            if !of_use(&key, &entry) {
                // What was put there meanwhile stays.
                self.parts.entry_by_ref(key.as_ref()).and_compute_with(|held| match held {
                    Some(held) if Arc::ptr_eq(held.value(), &entry) => Op::Remove,
                    _ => Op::Nop,
                });
            }
        }
    }

    /// Drops the parts that `meant` says yes of, or ends only their freshness where `since` says when. Gives their number.
    pub fn purge(&self, meant: impl Fn(&PartKey) -> bool, since: Option<Moment>) -> u64 {
        let mut purged = 0;
        for (key, entry) in self.parts.iter().filter(|(key, _)| meant(key)) {
            purged += 1;
            match since {
                Some(now) => entry.purge(now),
                None => {
                    // Before it is gone: what was made of it must not outlive it.
                    entry.leave();
                    self.parts.entry_by_ref(key.as_ref()).and_compute_with(|held| match held {
                        Some(held) if Arc::ptr_eq(held.value(), &entry) => Op::Remove,
                        _ => Op::Nop,
                    });
                }
            }
        }
        purged
    }

    /// Shows each part that is held. Looking is no use: what is dropped first does not change by it.
    pub fn look(&self, mut at: impl FnMut(&PartKey, &Arc<Entry<T>>)) {
        self.parts.iter().for_each(|(key, entry)| at(&key, &entry));
    }

    /// Whether `usable` says yes of any part that is held.
    pub fn any(&self, usable: impl Fn(&PartKey, &Entry<T>) -> bool) -> bool {
        self.parts.iter().any(|(key, entry)| usable(&key, &entry))
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
