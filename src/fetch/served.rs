use std::{sync::Arc, time::Duration};

use crate::{
    cache::{Entry, Full, Lost},
    upstream::{Effort, UpstreamError},
};

/// An answer, where it came from, and what it cost.
pub struct Served {
    /// The bytes.
    pub entry: Arc<Entry>,
    /// How old they are: since their vendor call began.
    pub age: Duration,
    /// Where they came from.
    pub found: Found,
    /// What the vendor calls of this request cost; nothing for who waited for another's.
    pub effort: Effort,
}

/// Where an answer came from. The same words stand in `Cache-Status`, in the log and in the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Held and fresh for `left` longer.
    Hit {
        /// How long it stays fresh.
        left: Duration,
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
        /// Whether another request's fetch brought it.
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
    /// The route is configured not to be kept.
    Bypass,
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
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The vendor's side failed, and nothing that is held may stand in.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// As many fetches are under way as may be.
    #[error(transparent)]
    Full(#[from] Full),
    /// The fetch panicked.
    #[error(transparent)]
    Lost(#[from] Lost),
}
