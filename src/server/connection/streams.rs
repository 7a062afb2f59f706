//! The requests of one HTTP/2 connection: how many there are, since when there are none, and who runs them.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Error,
    body::{Body, Bytes, HttpBody},
};
use hyper::{
    body::{Frame, SizeHint},
    rt::Executor,
};
use tokio::{sync::Notify, task::JoinSet};

use super::{Bounds, Closing, FIRST_WORDS, frames::Frames, watched::Watcher};
use crate::clock::{Moment, SharedClock, before};

/// Requests that a client may give up before it is taken for one that only wants to cause work (CVE-2023-44487), if it lets
/// no more than as many finish.
const MOST_GIVEN_UP: u32 = 100;
/// So much of an answer is given to HTTP/2 at once; the rest waits here, where one can see that it is not read.
const PIECE_BYTES: usize = 16 * 1024;

/// What is known of a connection's requests.
pub(super) struct Watch {
    state: Mutex<State>,
    changed: Notify,
    clock: SharedClock,
}

struct State {
    incoming: Frames,
    /// Since when the client owes the rest of what it has begun.
    owing: Option<Moment>,
    next: u64,
    working: usize,
    /// The answers that are being written, each since when.
    answering: BTreeMap<u64, Moment>,
    /// Since when there is no request, if there is none.
    idle: Moment,
    spoken: bool,
    finished: u32,
    given_up: u32,
}

/// Why a connection has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It is told so, and what is worked on goes on for a while.
    Gentle,
    /// At once.
    Now,
}

impl Watcher for Watch {
    fn bytes_came(&self, bytes: &[u8]) {
        let mut state = self.state();
        let finished = state.incoming.take(bytes);
        let owes = state.incoming.owes();
        if finished || !owes {
            state.owing = None;
        }
        if owes && state.owing.is_none() {
            state.owing = Some(self.clock.now());
        }
    }
}

impl Watch {
    pub(super) fn new(clock: SharedClock) -> Self {
        let now = clock.now();
        let state = State {
            incoming: Frames::new(),
            owing: Some(now),
            next: 0,
            working: 0,
            answering: BTreeMap::new(),
            idle: now,
            spoken: false,
            finished: 0,
            given_up: 0,
        };
        Self { state: Mutex::new(state), changed: Notify::new(), clock }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request has come.
    pub(super) fn begin(self: &Arc<Self>) -> Exchange {
        let mut state = self.state();
        state.working += 1;
        state.spoken = true;
        state.next += 1;
        let id = state.next;
        drop(state);
        self.changed.notify_waiters();
        Exchange { watch: Arc::clone(self), id, answering: false, finished: false }
    }

    /// Ends when the client has taken too long over something, or gives up too much. Looks as often as the shortest bound
    /// lasts, as for HTTP/1.1.
    pub(super) async fn expired(&self, bounds: &Bounds) -> End {
        let look_each = bounds.header_timeout.min(bounds.idle_timeout).max(Duration::from_millis(10));
        loop {
            let changed = self.changed.notified();
            let left = match self.left(bounds) {
                Ok(left) => left,
                Err(end) => return end,
            };
            let wake = self.clock.now().after(left.min(look_each));
            // Also woken by a request that was given up.
            before(self.clock.as_ref(), wake, changed).await;
        }
    }

    /// How long until something is over, as far as can be seen now.
    fn left(&self, bounds: &Bounds) -> Result<Duration, End> {
        let (state, now) = (self.state(), self.clock.now());
        if state.given_up > MOST_GIVEN_UP && state.given_up > state.finished {
            return Err(End::Now);
        }
        let owing = state.owing.map(|since| (bounds.header_timeout.saturating_sub(now.since(since)), End::Now));
        // Who does not read an answer is as silent as who does not ask.
        let silent = state.answering.values().min().copied().or((state.working == 0).then_some(state.idle));
        let silent = silent.map(|since| (bounds.idle_timeout.saturating_sub(now.since(since)), End::Gentle));
        match owing.into_iter().chain(silent).min_by_key(|(left, _)| *left) {
            Some((Duration::ZERO, end)) => Err(end),
            Some((left, _)) => Ok(left),
            None => Ok(Duration::MAX),
        }
    }

    /// Ends when, from now on, there was no request for so long.
    pub(super) async fn quiet_for(&self, length: Duration) {
        let begun = self.clock.now();
        loop {
            let quiet_since = {
                let state = self.state();
                (state.working == 0 && state.answering.is_empty()).then_some(state.idle.max(begun))
            };
            let quiet = quiet_since.map_or(Duration::ZERO, |since| self.clock.now().since(since));
            if quiet >= length {
                return;
            }
            self.clock.sleep(length.saturating_sub(quiet)).await;
        }
    }

    /// Ends when the listener is closing, and the client had time for its first request.
    pub(super) async fn may_be_closed(&self, closing: &mut Closing) {
        closing.begun().await;
        loop {
            let changed = self.changed.notified();
            let (spoken, since) = {
                let state = self.state();
                (state.spoken, state.idle)
            };
            if spoken || before(self.clock.as_ref(), since.after(FIRST_WORDS), changed).await.is_none() {
                return;
            }
        }
    }
}

/// One request, and its answer until that is written.
pub(super) struct Exchange {
    watch: Arc<Watch>,
    id: u64,
    answering: bool,
    finished: bool,
}

impl Exchange {
    /// The answer, whose end is the exchange's.
    pub(super) fn answer(mut self, body: Body) -> Body {
        let mut state = self.watch.state();
        state.working = state.working.saturating_sub(1);
        state.answering.insert(self.id, self.watch.clock.now());
        drop(state);
        self.answering = true;
        Body::new(Answer { body, piece: Bytes::new(), exchange: self })
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut state = self.watch.state();
        if self.answering {
            state.answering.remove(&self.id);
        } else {
            state.working = state.working.saturating_sub(1);
        }
        if self.finished {
            state.finished = state.finished.saturating_add(1);
        } else {
            state.given_up = state.given_up.saturating_add(1);
        }
        if state.working == 0 && state.answering.is_empty() {
            state.idle = self.watch.clock.now();
        }
        drop(state);
        if !self.finished {
            self.watch.changed.notify_waiters();
        }
    }
}

struct Answer {
    body: Body,
    piece: Bytes,
    exchange: Exchange,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.piece.is_empty() {
            match std::task::ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.piece = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                other => {
                    self.exchange.finished = other.is_none();
                    return Poll::Ready(other);
                }
            }
        }
        let next = self.piece.len().min(PIECE_BYTES);
        let piece = self.piece.split_to(next);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.piece.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.body.size_hint().exact() {
            Some(left) => SizeHint::with_exact(left + self.piece.len() as u64),
            None => SizeHint::default(),
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.exchange.finished |= self.is_end_stream();
    }
}

/// Runs a connection's requests. They end with it.
#[derive(Clone, Default)]
pub(super) struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, request: F) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(request);
    }
}

impl Tasks {
    /// Ends them all.
    pub(super) fn end(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}
