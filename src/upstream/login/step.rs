//! What the login's machine is told, and what it says to do.

use std::{sync::Arc, time::Duration};

use super::{attempt::LoginRequest, token::Token};
use crate::{clock::Moment, upstream::error::UpstreamError};

/// A token in use, and which login it came from.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) token: Token,
    pub(crate) generation: u64,
}

/// There is no token, and there will be none before this long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unavailable {
    pub(crate) retry_after: Duration,
    /// What that means for a call.
    pub(crate) error: UpstreamError,
}

/// How a login ended, as operators are told.
pub(super) enum Landed {
    Good {
        life: Option<Duration>,
    },
    Refused {
        wait: Duration,
        /// Whether the password was changed and it is not known which of the two is good.
        in_doubt: bool,
    },
    Failed {
        wait: Duration,
        error: UpstreamError,
    },
    /// It was begun with credentials that have been replaced, and tells nothing of those that hold.
    Superseded,
}

impl Landed {
    /// Every outcome's name in metrics.
    pub(super) const NAMES: [&'static str; 4] = ["good", "refused", "failed", "superseded"];

    /// The outcome's name in metrics.
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::Good { .. } => Self::NAMES[0],
            Self::Refused { .. } => Self::NAMES[1],
            Self::Failed { .. } => Self::NAMES[2],
            Self::Superseded => Self::NAMES[3],
        }
    }
}

/// What who needs a token is to do.
pub(super) enum Want {
    /// Use this one. The next login is due at `refresh_at`, where that is known.
    Use { held: Held, refresh_at: Option<Moment> },
    /// Use this one, and run this login: the machine counts it as begun.
    UseAndRefresh(Held, Arc<LoginRequest>),
    /// Run this login: the machine counts it as begun.
    Begin(Arc<LoginRequest>),
    /// One is under way.
    Wait,
    /// Not now.
    Refuse(Unavailable),
}

/// Why there is no newer token for a target that refused one.
pub(crate) enum Unrenewed {
    /// The login gate is closed.
    Gate,
    /// No login can be made.
    Unavailable(Unavailable),
}

/// What a call is to do whose token was refused.
pub(super) enum Renewal {
    /// Use this newer one.
    Use(Held),
    /// Run this login: the machine counts it as begun.
    Begin(Arc<LoginRequest>),
    /// One is in progress.
    Wait,
    /// Not now.
    Refuse(Unrenewed),
}
