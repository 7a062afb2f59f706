//! Where spans wait until they are sent.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::sync::Notify;

/// Spans that wait at most; what comes then is dropped.
pub(super) const MOST_WAITING: usize = 2048;
/// Spans in one export at most; so many are sent without waiting for more.
pub(super) const MOST_AT_ONCE: usize = 512;

/// Spans that have ended. Not a channel: its reader would be woken for each.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<VecDeque<Span>>,
    /// An export is full.
    pub(super) full: Notify,
}

impl Queue {
    /// Takes a span; false if there is no room for it.
    pub(super) fn push(&self, span: Span) -> bool {
        let mut waiting = self.waiting();
        if waiting.len() >= MOST_WAITING {
            return false;
        }
        waiting.push_back(span);
        let full = waiting.len() == MOST_AT_ONCE;
        drop(waiting);
        if full {
            self.full.notify_one();
        }
        true
    }

    /// The oldest, as many as an export holds.
    pub(super) fn take(&self) -> Vec<Span> {
        let mut waiting = self.waiting();
        let n = waiting.len().min(MOST_AT_ONCE);
        waiting.drain(..n).collect()
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Span>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
