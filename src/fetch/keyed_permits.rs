use std::{collections::HashMap, hash::Hash, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A semaphore for each key, as long as anybody uses it. First come, first served.
pub(super) struct KeyedPermits<K: Hash + Eq + Clone> {
    permits: usize,
    semaphores: Arc<Semaphores<K>>,
}

type Semaphores<K> = Mutex<HashMap<K, Arc<Semaphore>>>;

/// A permit of one key, and also the wait for one.
pub(super) struct KeyedPermit<K: Hash + Eq + Clone> {
    key: K,
    permit: Option<OwnedSemaphorePermit>,
    semaphores: Arc<Semaphores<K>>,
}

impl<K: Hash + Eq + Clone> KeyedPermits<K> {
    /// At most so many permits for each key.
    pub(super) fn new(permits: usize) -> Self {
        Self { permits, semaphores: Arc::default() }
    }

    pub(super) async fn acquire(&self, key: K) -> KeyedPermit<K> {
        let semaphore = {
            let mut semaphores = self.semaphores.lock();
            Arc::clone(semaphores.entry(key.clone()).or_insert_with(|| Arc::new(Semaphore::new(self.permits))))
        };
        let semaphores = Arc::clone(&self.semaphores);
        // Made before the wait: if that is given up, the key is forgotten all the same.
        let mut permit = KeyedPermit { key, permit: None, semaphores };
        // The semaphore is never closed.
        permit.permit = semaphore.acquire_owned().await.ok();
        permit
    }

    #[cfg(test)]
    fn keys(&self) -> usize {
        self.semaphores.lock().len()
    }
}

impl<K: Hash + Eq + Clone> Drop for KeyedPermit<K> {
    fn drop(&mut self) {
        let mut semaphores = self.semaphores.lock();
        drop(self.permit.take());
        // The one in the map is the last: nobody uses it, and nobody can begin to while the map is locked.
        if semaphores.get(&self.key).is_some_and(|semaphore| Arc::strong_count(semaphore) == 1) {
            semaphores.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn key_is_forgotten_once_nobody_uses_it() {
        let permits = KeyedPermits::new(1);
        let first = permits.acquire("a").await;
        assert!(permits.acquire("b").now_or_never().is_some(), "another key");
        let mut second = Box::pin(permits.acquire("a"));
        assert!(second.as_mut().now_or_never().is_none());
        assert!(permits.acquire("a").now_or_never().is_none(), "given up");
        assert_eq!(permits.keys(), 1);
        drop(first);
        let second = second.now_or_never();
        assert!(second.is_some());
        drop(second);
        assert_eq!(permits.keys(), 0);
    }
}
