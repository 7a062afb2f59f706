use std::time::Duration;

use bytes::Bytes;

use super::batcher::{Full, Lost};
use crate::upstream::{Effort, Rejection, UpstreamError};

/// An answer, where it came from, and what it cost.
pub struct Served {
    /// The bytes.
    pub body: Bytes,
    /// What a restricted caller gets in their place, if that is not the same.
    pub(super) restricted: Option<Bytes>,
    /// The entity tag of a whole answer, with its quotes; one that was put together from rows has none.
    pub etag: Option<Bytes>,
    /// How old the oldest part is: since its vendor call began.
    pub age: Duration,
    /// Where they came from.
    pub found: Found,
    /// The same, counted.
    pub parts: Tally,
    /// What the vendor calls of this request cost; nothing for who waited for another's.
    pub effort: Effort,
}

/// Where an answer came from: for one of several parts, the least fresh of the ways. The same words stand in
/// `Cache-Status`, in the log and in the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Held and fresh for `left` longer.
    Hit {
        /// How long it stays fresh.
        left: Duration,
        /// Whether a part is older than its `ttl`, which is stretched: the vendor's budget runs low.
        stretched: bool,
    },
    /// Held and no longer fresh for `past`, while one refresh runs.
    StaleWhileRevalidate {
        /// How long ago it ceased to be fresh.
        past: Duration,
    },
    /// Held and no longer fresh for `past`; the vendor failed.
    StaleIfError {
        /// How long ago it ceased to be fresh.
        past: Duration,
    },
    /// Fetched from the vendor.
    Fetched {
        /// Why it was.
        forwarded: Forwarded,
        /// Whether other requests' fetches brought all of it.
        collapsed: bool,
        /// How long it stays fresh; `None` if it is not kept.
        stored: Option<Duration>,
    },
}

/// Why a request went to the vendor (RFC 9211, section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarded {
    /// Nothing was held.
    UriMiss,
    /// What was held was no longer fresh.
    Stale,
    /// What was held was older than the caller demands.
    Request,
    /// The route is configured not to be kept.
    Bypass,
}

/// How many parts of an answer came which way; each is counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Held and fresh.
    pub hit: u32,
    /// Served stale.
    pub stale: u32,
    /// Fetched by a call that this request began.
    pub fetched: u32,
    /// Fetched by another request's call.
    pub joined: u32,
    /// Those that the vendor has no row for, however that is known.
    pub absent: u32,
    /// Whether parts came in more than one way.
    pub mixed: bool,
    /// Where they did, how many of the hits are older than their `ttl`, which is stretched.
    pub stretched: u32,
}

impl Tally {
    /// The counts in the metrics' order.
    pub(super) fn counts(self) -> [u32; 5] {
        [self.hit, self.stale, self.fetched, self.joined, self.absent]
    }
}

/// Why there is no answer, and what it cost to learn that.
#[derive(Debug)]
pub struct Failure {
    /// Why.
    pub error: FetchError,
    /// What the vendor calls of this request cost.
    pub effort: Effort,
}

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FetchError {
    /// The vendor's side failed, and nothing that is held may stand in.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The vendor refuses the question, or some of its queues.
    #[error("the vendor refuses the question")]
    Refused {
        /// Its words.
        rejection: Rejection,
        /// The places of the queues it refuses among those asked for; empty if it refuses the whole.
        queues: Vec<usize>,
    },
    /// The caller wants only what is held, and it is not all held.
    #[error("nothing that is held may be served")]
    NotHeld,
    /// As many fetches are under way as may be.
    #[error(transparent)]
    Full(#[from] Full),
    /// The fetch panicked.
    #[error(transparent)]
    Lost(#[from] Lost),
}
