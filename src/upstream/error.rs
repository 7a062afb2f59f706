use std::{path::PathBuf, time::Duration};

use super::wire::{Rejection, VendorCode};

/// Why there is no answer from the vendor. Cheap to clone: all who waited for a call share its failure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// The vendor refused this request itself; another try would be refused too.
    #[error("the vendor refused the request")]
    Rejected(Rejection),
    /// The service login is refused or cannot be made, so nobody's request can be.
    #[error("the gateway's login at the vendor fails")]
    LoginFailed {
        /// When the gateway will try it again.
        retry_after: Duration,
    },
    /// The vendor refuses our credentials for this target (7.6): a company, a queue or a path. For a call with several
    /// queues it is not known which.
    #[error("the vendor refuses the gateway's credentials for this target")]
    TargetRefused {
        /// When the target may be tried again.
        retry_after: Duration,
    },
    /// No connection, or it was cut.
    #[error("the vendor cannot be reached")]
    Unreachable,
    /// Not the JSON that the reference promises.
    #[error("the vendor's answer cannot be used: {0}")]
    InvalidResponse(&'static str),
    /// The vendor failed: 5xx, or `success: false` without a code that is the caller's doing.
    #[error("the vendor answered with a failure")]
    Failed {
        /// The vendor's code, if it gave one.
        code: Option<VendorCode>,
        /// Whether it said so in a whole answer with a status below 500: then nothing was done.
        said_no: bool,
    },
    /// Not in time.
    #[error("the vendor did not answer in time")]
    Timeout,
    /// Our own connections to the vendor were all in use for so long that too little time, or none, was left for an answer.
    #[error("all connections to the vendor were in use for too long")]
    Crowded,
    /// The vendor asked us to wait, longer than a request may.
    #[error("the vendor asks the gateway to slow down")]
    RateLimited {
        /// When it may be asked again.
        retry_after: Duration,
    },
    /// Our own budget of calls is spent.
    #[error("the budget of vendor calls is spent")]
    BudgetExhausted {
        /// When there is room again.
        retry_after: Duration,
    },
    /// The breaker is open: most of the recent calls failed.
    #[error("the vendor has been failing")]
    CircuitOpen {
        /// When a call is let through again.
        retry_after: Duration,
    },
}

/// Why the vendor's side cannot even begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The HTTP client refuses its settings, or the machine has no root certificates.
    #[error("the HTTP client cannot start: {0}")]
    Client(#[from] reqwest::Error),
    /// `upstream.ca_file` cannot be used.
    #[error("upstream.ca_file: {} {reason}", file.display())]
    Certificates {
        /// Which file.
        file: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A secret cannot stand in an HTTP header.
    #[error("{0} holds characters that no HTTP header may carry")]
    Header(&'static str),
}

/// Why there is no whole answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SendError {
    /// No connection.
    NotSent,
    /// The connection ended before the answer did.
    Cut,
    /// Over `upstream.max_response`, unpacked.
    TooLarge,
    /// It is not packed as it says.
    Garbled,
    /// It is not HTTP, or leaves open where it ends.
    NotHttp,
}
