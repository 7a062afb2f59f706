//! The body of an HTTP/2 answer, given away no faster than the client reads it.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    Error,
    body::{Body, Bytes, HttpBody},
};
use hyper::body::{Frame, SizeHint};

use super::streams::Exchange;

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
