//! Who works on the requests of one HTTP/2 connection.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Weak},
};

use hyper::rt::Executor;
use parking_lot::Mutex;
use tokio::task::{AbortHandle, Id, try_id};

/// Runs a connection's requests, each with its answer until HTTP/2 has taken that. They end with it.
#[derive(Clone, Default)]
pub(super) struct Tasks(Arc<Mutex<Running>>);

/// The tasks that run. One that has ended is removed immediately, since a handle keeps the memory of its task.
#[derive(Default)]
struct Running(BTreeMap<Id, AbortHandle>);

/// Removes its task from those that run when it is dropped with it.
struct Ended(Weak<Mutex<Running>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, request: F) {
        // Locked until the task is in the map: it may end earlier on another thread.
        let mut running = self.0.lock();
        let ended = Ended(Arc::downgrade(&self.0));
        let task = tokio::spawn(async move {
            let _ended = ended;
            request.await;
        });
        running.0.insert(task.id(), task.abort_handle());
    }
}

impl Tasks {
    /// Ends one, which resets its stream. This is the only way: hyper waits for the client's window and not for the body,
    /// so that a body has no say while nobody reads.
    pub(super) fn end(&self, id: Id) {
        if let Some(task) = self.0.lock().0.get(&id) {
            task.abort();
        }
    }

    /// Ends them all.
    pub(super) fn end_all(&self) {
        self.0.lock().abort_all();
    }
}

impl Running {
    fn abort_all(&self) {
        self.0.values().for_each(AbortHandle::abort);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.abort_all();
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        if let (Some(running), Some(id)) = (self.0.upgrade(), try_id()) {
            let handle = running.lock().0.remove(&id);
            drop(handle);
        }
    }
}
