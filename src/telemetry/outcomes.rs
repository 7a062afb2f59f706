//! The outcomes of requests and vendor calls, by their names in metrics, logs and spans.

use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder};
use serde::Serialize;

/// How a vendor call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(into = "&'static str")]
pub enum CallOutcome {
    /// The vendor answered.
    Ok,
    /// The vendor says that the request is wrong.
    Rejected,
    /// The vendor does not accept the token.
    TokenDead,
    /// The vendor answered 429.
    RateLimited,
    /// The request had less time left than a try may take, and that did not suffice.
    CutShort,
    /// No connection, or it broke.
    Unreachable,
    /// The answer is not what the vendor's documentation describes.
    InvalidResponse,
    /// The vendor took too long.
    Timeout,
    /// The vendor answered with a failure.
    Failed,
    /// The call was not made.
    NotSent,
}

/// Where the answer to a request came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheResult {
    /// Fresh, from the cache.
    Hit,
    /// Stale, from the cache.
    Stale,
    /// From the vendor.
    Miss,
    /// From the vendor and the cache.
    Partial,
    /// The cache was not consulted.
    None,
}

impl CallOutcome {
    /// The name in metrics and spans.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Rejected => "rejected",
            Self::TokenDead => "token_dead",
            Self::RateLimited => "rate_limited",
            Self::CutShort => "cut_short",
            Self::Unreachable => "unreachable",
            Self::InvalidResponse => "invalid_response",
            Self::Timeout => "timeout",
            Self::Failed => "failed",
            Self::NotSent => "not_sent",
        }
    }

    /// Whether the vendor failed, and not the gateway or a caller.
    pub(super) const fn is_vendor_failure(self) -> bool {
        match self {
            Self::Ok | Self::Rejected | Self::TokenDead | Self::RateLimited | Self::CutShort => false,
            Self::Unreachable | Self::InvalidResponse | Self::Timeout | Self::Failed | Self::NotSent => true,
        }
    }
}

impl From<CallOutcome> for &'static str {
    fn from(outcome: CallOutcome) -> Self {
        outcome.as_str()
    }
}

impl CacheResult {
    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Miss => "miss",
            Self::Partial => "partial",
            Self::None => "none",
        }
    }
}

impl EncodeLabelValue for CallOutcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.as_str().encode(encoder)
    }
}

impl EncodeLabelValue for CacheResult {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.as_str().encode(encoder)
    }
}
