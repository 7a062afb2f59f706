//! Who works on the requests of one HTTP/2 connection.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hyper::rt::Executor;
use tokio::task::{AbortHandle, Id, JoinSet};

/// Runs a connection's requests, each with its answer until HTTP/2 has taken that. They end with it.
#[derive(Clone, Default)]
pub(super) struct Tasks(Arc<Mutex<Running>>);

#[derive(Default)]
struct Running {
    all: JoinSet<()>,
    each: BTreeMap<Id, AbortHandle>,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, request: F) {
        let mut running = self.running();
        while let Some(ended) = running.all.try_join_next_with_id() {
            let id = ended.map_or_else(|reason| reason.id(), |(id, ())| id);
            running.each.remove(&id);
        }
        let task = running.all.spawn(request);
        running.each.insert(task.id(), task);
    }
}

impl Tasks {
    fn running(&self) -> MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends one, which resets its stream. This is the only way: hyper waits for the client's window and not for the body,
    /// so that a body has no say while nobody reads.
    pub(super) fn end(&self, id: Id) {
        if let Some(task) = self.running().each.get(&id) {
            task.abort();
        }
    }

    /// Ends them all.
    pub(super) fn end_all(&self) {
        self.running().all.abort_all();
    }
}
