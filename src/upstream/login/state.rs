//! What operators see of the service login.

use std::time::Duration;

use serde::Serialize;

/// The login's state as the outside sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "&'static str")]
pub enum LoginState {
    /// Not tried yet, or the token died.
    Absent,
    /// The first login, or the one after a token died, is under way.
    LoggingIn,
    /// There is a token.
    Good,
    /// The vendor refuses the account; it is tried again after a wait.
    Refused,
    /// The last login failed for another cause; it is tried again after a wait.
    Failed,
}

impl LoginState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Absent, Self::LoggingIn, Self::Good, Self::Refused, Self::Failed];

    /// The state's name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::LoggingIn => "logging_in",
            Self::Good => "good",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

impl From<LoginState> for &'static str {
    fn from(state: LoginState) -> Self {
        state.as_str()
    }
}

/// The login's state, and what is known of its times. How far away they are, not when: the machine knows no calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginStanding {
    /// The state.
    pub state: LoginState,
    /// While a token still works: why none will follow it, as the last login was refused or failed.
    pub setback: Option<LoginState>,
    /// Until the next try, if the last one brought no token.
    pub next_try: Option<Duration>,
    /// Until the token's end, where that is known.
    pub expires: Option<Duration>,
}
