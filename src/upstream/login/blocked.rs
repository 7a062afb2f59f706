//! Why no login may begin now. Pure: `now` is an argument.

use super::step::Unavailable;
use crate::{clock::Moment, upstream::error::UpstreamError};

/// No login before a moment, and why.
pub(super) struct Latch {
    pub(super) until: Moment,
    pub(super) why: Why,
}

pub(super) enum Why {
    /// A token came just now.
    Young,
    Failed(UpstreamError),
}

/// Why no login may begin now, and until when.
pub(super) struct Blocked<'a> {
    pub(super) until: Moment,
    /// All that may be tried was refused, where there is none.
    pub(super) latch: Option<&'a Why>,
}

impl Blocked<'_> {
    /// Whether only the last login is too recent.
    pub(super) fn is_young(&self) -> bool {
        matches!(self.latch, Some(Why::Young))
    }

    pub(super) fn unavailable(&self, now: Moment) -> Unavailable {
        let retry_after = self.until.since(now);
        let error = match self.latch {
            None | Some(Why::Young) => UpstreamError::LoginFailed { retry_after },
            Some(Why::Failed(UpstreamError::RateLimited { .. })) => UpstreamError::RateLimited { retry_after },
            Some(Why::Failed(error)) => error.clone(),
        };
        Unavailable { retry_after, error }
    }
}
