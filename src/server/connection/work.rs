//! Which connections have a request that is not finished: what a drain waits for, and cuts off at its end.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

/// All connections of a listener.
#[derive(Clone, Default)]
pub(in crate::server) struct AllWork(Arc<AtomicUsize>);

/// One of them.
#[derive(Default)]
pub(in crate::server) struct Work {
    all: AllWork,
    there: AtomicBool,
}

impl AllWork {
    /// A further connection, with no request yet.
    pub(in crate::server) fn one(&self) -> Work {
        Work { all: self.clone(), there: AtomicBool::new(false) }
    }

    /// Connections with a request that was begun and is not finished.
    pub(in crate::server) fn connections(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Work {
    /// Whether there is one from now on.
    pub(super) fn is_there(&self, there: bool) {
        match (self.there.swap(there, Ordering::Relaxed), there) {
            (false, true) => self.all.0.fetch_add(1, Ordering::Relaxed),
            (true, false) => self.all.0.fetch_sub(1, Ordering::Relaxed),
            _ => 0,
        };
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.is_there(false);
    }
}
