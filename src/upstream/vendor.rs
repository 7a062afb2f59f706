use std::{ops::AddAssign, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::UpstreamError;
use crate::{
    clock::Moment,
    model::{QueueId, Shape},
    telemetry::traces::TracePoint,
};

/// What fetching needs of the vendor, whoever plays it.
pub trait Vendor: Send + Sync + 'static {
    /// Asks for the document of `shape`, or for its rows of `queues`; the spans of it stand below `under`. Must come to an
    /// end by itself.
    fn call<'a>(
        &'a self,
        shape: &'a Shape,
        queues: &'a [QueueId],
        patience: Patience,
        under: &'a TracePoint,
    ) -> BoxFuture<'a, Called>;

    /// What is left of the calls that we allow ourselves.
    fn budget(&self) -> Budget;
}

/// What may be asked of the vendor at once, now and at best (`upstream.rate_limit`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Calls that may be made at once now.
    pub remaining: u32,
    /// The same when none was made for long; at least 1.
    pub burst: u32,
}

/// How long a call waits for our own budget. The end of a pause that the vendor asked for is waited for in any case, if it
/// comes within `upstream.max_wait`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Up to `upstream.max_wait`.
    Waits,
    /// Not at all: something stale stands by.
    None,
}

/// A complete, valid, successful answer.
#[derive(Clone)]
pub struct Answer {
    /// The vendor's body, byte for byte.
    pub body: Bytes,
    /// When the call that brought it began.
    pub began: Moment,
    /// The same by the calendar.
    pub began_at: Timestamp,
}

/// What it cost to get an answer or a failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// Requests sent to the vendor, logins apart.
    pub calls: u32,
    /// The time they took, waits between them apart.
    pub time: Duration,
}

impl AddAssign for Effort {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.time += other.time;
    }
}

/// How a call ended, and what it cost.
pub struct Called {
    /// The answer, or why there is none.
    pub result: Result<Answer, UpstreamError>,
    /// What it cost.
    pub effort: Effort,
}
