use std::{ops::AddAssign, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::UpstreamError;
use crate::{
    clock::Moment,
    model::{CallerName, QueueId, Shape},
    telemetry::traces::TracePoint,
};

/// What fetching needs of the vendor, whoever plays it.
pub trait Vendor: Send + Sync + 'static {
    /// Makes one call, retries included. Ends by itself.
    fn call<'a>(&'a self, call: VendorCall<'a>) -> BoxFuture<'a, Called>;

    /// Returns whether the vendor refused our credentials for one queue of `shape` lately.
    fn queue_target(&self, shape: &Shape, queue: &QueueId) -> TargetState;

    /// Returns what is left of the call budget.
    fn budget(&self) -> Budget;
}

/// One call to the vendor: the document of `shape`, or its rows of `queues`.
#[derive(Clone, Copy)]
pub struct VendorCall<'a> {
    /// All of the request but the ids.
    pub shape: &'a Shape,
    /// The ids; empty for a document.
    pub queues: &'a [QueueId],
    /// The caller whose share of the budget it uses; `None` for refresh-ahead.
    pub caller: Option<&'a CallerName>,
    /// The parent of its spans.
    pub under: &'a TracePoint,
}

/// Whether our credentials are good for a target: a company, a queue or a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetState {
    /// No refusal is remembered.
    Allowed,
    /// It was refused, and its backoff is over: the next call probes it, and must not include other targets.
    Suspect,
    /// It was refused: no call for it before this long.
    Backoff(Duration),
}

/// What may be asked of the vendor at once, now and at best (`upstream.rate_limit`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Calls that may be made at once now.
    pub remaining: u32,
    /// The same when none was made for long; at least 1.
    pub burst: u32,
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
    /// When its last try began, or the call itself if none did.
    pub began: Moment,
    /// What it cost.
    pub effort: Effort,
}
