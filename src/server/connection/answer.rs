//! The body of an HTTP/2 answer, given away no faster than the client reads it.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    Error,
    body::{Body, Bytes, HttpBody},
};
use hyper::body::{Frame, SizeHint};
use tokio::{
    sync::OwnedSemaphorePermit,
    task::{Id, try_id},
};

use super::{reading::Reading, streams::Watch};

/// So much of an answer is given to HTTP/2 at once; the rest waits here, where one can see that it is not read.
const PIECE_BYTES: usize = 16 * 1024;

/// A body, whose end is the exchange's.
pub(super) struct Answer {
    body: Body,
    piece: Bytes,
    exchange: Exchange,
}

impl Answer {
    pub(super) fn new(body: Body, exchange: Exchange) -> Self {
        Self { body, piece: Bytes::new(), exchange }
    }

    /// What is given next. A last byte goes alone: HTTP/2 takes a piece as soon as the client has room for some of it, so that
    /// the whole would seem to be read when it has only begun to be.
    fn next_piece(&mut self) -> Bytes {
        let but_one = self.piece.len().saturating_sub(1).max(1);
        self.piece.split_to(self.piece.len().min(but_one).min(PIECE_BYTES))
    }
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
        let piece = self.next_piece();
        self.exchange.goes_on(piece.len());
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

/// One request, and its answer until that is written.
pub(super) struct Exchange {
    watch: Arc<Watch>,
    answering: Option<Id>,
    pub(super) finished: bool,
    /// Held until the answer has ended, if it is one to a stranger.
    permit: Option<OwnedSemaphorePermit>,
}

impl Exchange {
    /// A request has come.
    pub(super) fn begin(watch: &Arc<Watch>) -> Self {
        let mut state = watch.state();
        state.working += 1;
        state.spoken = true;
        watch.work.is_there(true);
        drop(state);
        watch.changed.notify_waiters();
        Self { watch: Arc::clone(watch), answering: None, finished: false, permit: None }
    }

    /// The answer, whose end is the exchange's. To be called in the task that writes it.
    pub(super) fn answer(mut self, body: Body, permit: Option<OwnedSemaphorePermit>) -> Body {
        (self.answering, self.permit) = (try_id(), permit);
        if let Some(id) = self.answering {
            let mut state = self.watch.state();
            let now = self.watch.clock.now();
            state.working = state.working.saturating_sub(1);
            state.answering.insert(id, Reading::begun(now));
            state.idle = now;
        }
        Body::new(Answer::new(body, self))
    }

    /// So many bytes of the answer are given to HTTP/2, since the client has taken those before.
    pub(super) fn goes_on(&mut self, bytes: usize) {
        let mut state = self.watch.state();
        // Not there any more: patience was lost.
        if let Some(reading) = self.answering.and_then(|id| state.answering.get_mut(&id)) {
            reading.took(bytes, self.watch.clock.now());
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut state = self.watch.state();
        let unread = match self.answering {
            Some(id) => state.answering.remove(&id).is_none(),
            None => {
                state.working = state.working.saturating_sub(1);
                false
            }
        };
        let finished = self.finished && !unread;
        if finished {
            state.finished = state.finished.saturating_add(1);
        } else {
            state.given_up = state.given_up.saturating_add(1);
        }
        // That we have lost patience is no sign of life.
        if !unread {
            state.idle = self.watch.clock.now();
        }
        self.watch.work.is_there(state.working > 0 || !state.answering.is_empty());
        drop(state);
        if !finished {
            self.watch.changed.notify_waiters();
        }
    }
}
