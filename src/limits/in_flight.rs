use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Limits the requests that are processed concurrently. A request beyond the limit is refused and does not wait.
///
/// It is not a `tokio::sync::Semaphore`, because a reload may set a limit below the permits in use: a semaphore
/// can only forget permits that are free.
#[derive(Clone)]
pub struct InFlightLimit(Arc<Counter>);

struct Counter {
    in_use: AtomicUsize,
    limit: AtomicUsize,
}

/// The right to process one request. It is released when dropped.
pub struct InFlightPermit(Arc<Counter>);

impl InFlightLimit {
    /// Admits `limit` requests.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Counter { in_use: AtomicUsize::new(0), limit: AtomicUsize::new(limit) }))
    }

    /// Changes the limit. Permits in use stay valid.
    pub fn set_limit(&self, limit: usize) {
        self.0.limit.store(limit, Ordering::Relaxed);
    }

    /// Returns a permit, or `None` if the limit is reached.
    pub fn try_acquire(&self) -> Option<InFlightPermit> {
        let limit = self.0.limit.load(Ordering::Relaxed);
        let one_more = |in_use| (in_use < limit).then_some(in_use + 1);
        let acquired = self.0.in_use.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        acquired.ok().map(|_| InFlightPermit(Arc::clone(&self.0)))
    }

    /// Returns the number of permits in use.
    pub fn in_use(&self) -> usize {
        self.0.in_use.load(Ordering::Relaxed)
    }

    /// Returns whether no permit is free.
    pub fn is_full(&self) -> bool {
        self.in_use() >= self.0.limit.load(Ordering::Relaxed)
    }
}

impl Drop for InFlightPermit {
    fn drop(&mut self) {
        self.0.in_use.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lowered_limit_keeps_permits_in_use() {
        let limit = InFlightLimit::new(2);
        let taken = (limit.try_acquire(), limit.try_acquire());
        limit.set_limit(1);
        assert_eq!(limit.in_use(), 2);
        assert!(limit.try_acquire().is_none());
        limit.set_limit(3);
        assert!(limit.try_acquire().is_some());
        drop(taken);
    }

    #[test]
    fn dropped_permit_is_free_and_refusal_takes_none() {
        let limit = InFlightLimit::new(2);
        let (first, second) = (limit.try_acquire(), limit.try_acquire());
        assert!(first.is_some() && second.is_some() && limit.try_acquire().is_none());
        assert_eq!(limit.in_use(), 2);
        drop(first);
        assert!(!limit.is_full());
        let third = limit.try_acquire();
        assert!(third.is_some() && limit.try_acquire().is_none());
        drop((second, third));
        assert_eq!(limit.in_use(), 0);
    }
}
