//! The states of the service login, and every way from one to another. Pure: `now` is an argument.

use std::time::Duration;

use super::token::Token;
use crate::{clock::Moment, upstream::error::UpstreamError};

/// A wrong password or client id: asking again soon would lock the account.
const REFUSED_WAIT: Waits = Waits { first: Duration::from_secs(30), longest: Duration::from_secs(15 * 60) };
/// Any other failure: 5xx, no token, no answer. Short enough that a vendor who is back is found within ten seconds.
const FAILED_WAIT: Waits = Waits { first: Duration::from_secs(1), longest: Duration::from_secs(8) };
/// A token refused sooner than this after its login does not cause another login at once.
const YOUNG: Duration = Duration::from_secs(2);

struct Waits {
    first: Duration,
    longest: Duration,
}

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

/// How a login ended.
pub(super) enum Outcome {
    /// With a token. `life` is how long it lives, where that is known; `refresh_ahead` the share of it after
    /// which the next login begins.
    Good { token: Token, life: Option<Duration>, refresh_ahead: f64 },
    /// The vendor says no to this account.
    Refused,
    /// It did not come to that. A vendor that asks for patience says so in the error.
    Failed(UpstreamError),
}

/// How a login ended, as operators are told.
pub(super) enum Landed {
    Good {
        life: Option<Duration>,
    },
    Refused {
        wait: Duration,
    },
    Failed {
        wait: Duration,
        error: UpstreamError,
    },
    /// It failed with a password that is no longer the account's.
    Superseded,
}

impl Landed {
    /// The outcome's name in metrics.
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::Good { .. } => "good",
            Self::Refused { .. } => "refused",
            Self::Failed { .. } => "failed",
            Self::Superseded => "superseded",
        }
    }
}

/// The vendor refuses the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// How long it is still to be left alone.
    pub(super) left: Duration,
    /// How long that was at first.
    pub(super) wait: Duration,
}

/// What who needs a token is to do.
pub(super) enum Want {
    /// Use this one. The next login is due at `refresh_at`, where that is known.
    Use { held: Held, refresh_at: Option<Moment> },
    /// Use this one, and run a login: the machine counts it as begun.
    UseAndRefresh(Held),
    /// Run a login: the machine counts it as begun.
    Begin,
    /// One is under way.
    Wait,
    /// Not now.
    Refuse(Unavailable),
}

/// The login's state as the outside sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// The login's state, and what is known of its times. How far away they are, not when: the machine knows no calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginStanding {
    /// The state.
    pub state: LoginState,
    /// Until the next try, if the last one brought no token.
    pub next_try: Option<Duration>,
    /// Until the token's end, where that is known.
    pub expires: Option<Duration>,
}

pub(super) struct Machine {
    state: State,
    /// Set by a login that brought no token: until then there is no other.
    latch: Option<Latch>,
    generation: u64,
    /// Whether the login that runs was begun with a password that is no longer the account's.
    superseded: bool,
    refused_wait: Duration,
    failed_wait: Duration,
}

enum State {
    Absent,
    LoggingIn { previous: Option<Good>, since: Moment },
    Good(Good),
}

struct Latch {
    until: Moment,
    why: Why,
}

enum Why {
    /// The vendor refuses the account.
    Refused,
    /// A token died too soon after its login.
    Young,
    Failed(UpstreamError),
}

#[derive(Clone)]
struct Good {
    held: Held,
    since: Moment,
    refresh_at: Option<Moment>,
    expires_at: Option<Moment>,
}

impl Good {
    fn usable(&self, now: Moment) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

impl Machine {
    pub(super) fn new() -> Self {
        Self {
            state: State::Absent,
            latch: None,
            generation: 0,
            superseded: false,
            refused_wait: Duration::ZERO,
            failed_wait: Duration::ZERO,
        }
    }

    /// As it was after `refusal`.
    pub(super) fn refused_before(refusal: Refusal, now: Moment) -> Self {
        let left = refusal.left.min(REFUSED_WAIT.longest);
        let latch = (!left.is_zero()).then(|| Latch { until: now.after(left), why: Why::Refused });
        Self { latch, refused_wait: refusal.wait.min(REFUSED_WAIT.longest), ..Self::new() }
    }

    /// What is to be remembered of the vendor's refusals since the last good login, if there were any.
    pub(super) fn refusal(&self, now: Moment) -> Option<Refusal> {
        let latch = self.latch.as_ref().filter(|latch| matches!(latch.why, Why::Refused));
        let left = latch.map_or(Duration::ZERO, |latch| latch.until.since(now));
        (!self.refused_wait.is_zero()).then_some(Refusal { left, wait: self.refused_wait })
    }

    /// Says what to do for a token. Where the answer is to run a login, the caller must run it, and report
    /// by [`landed`](Self::landed).
    pub(super) fn want(&mut self, now: Moment) -> Want {
        let latch = self.latch.as_ref().filter(|latch| now < latch.until);
        match &self.state {
            State::Good(good) if good.usable(now) => {
                let good = good.clone();
                let refresh_at = good.refresh_at.map(|due| latch.map_or(due, |latch| due.max(latch.until)));
                if refresh_at.is_none_or(|due| now < due) {
                    return Want::Use { held: good.held, refresh_at };
                }
                self.state = State::LoggingIn { previous: Some(good.clone()), since: now };
                Want::UseAndRefresh(good.held)
            }
            // A slow login does not hold up those whose token still works.
            State::LoggingIn { previous: Some(good), .. } if good.usable(now) => {
                Want::Use { held: good.held.clone(), refresh_at: None }
            }
            State::LoggingIn { .. } => Want::Wait,
            State::Absent | State::Good(_) => match latch {
                Some(latch) => Want::Refuse(latch.unavailable(now)),
                None => {
                    self.state = State::LoggingIn { previous: None, since: now };
                    Want::Begin
                }
            },
        }
    }

    /// The account has another password: what was refused may be taken now. A token that works stays in use until the
    /// next login.
    pub(super) fn renew(&mut self, now: Moment) {
        self.latch = None;
        (self.refused_wait, self.failed_wait) = (Duration::ZERO, Duration::ZERO);
        match &mut self.state {
            State::Good(good) => good.refresh_at = Some(now),
            State::LoggingIn { .. } => self.superseded = true,
            State::Absent => {}
        }
    }

    /// The login that was begun has ended.
    pub(super) fn landed(&mut self, outcome: Outcome, now: Moment) -> Landed {
        let (previous, since) = match std::mem::replace(&mut self.state, State::Absent) {
            State::LoggingIn { previous, since } => (previous, since),
            State::Absent | State::Good(_) => (None, now),
        };
        if std::mem::take(&mut self.superseded) {
            // Whatever came of it, a login with the new password comes next.
            let brought = match outcome {
                Outcome::Good { token, life, .. } => {
                    self.generation += 1;
                    let held = Held { token, generation: self.generation };
                    Some(Good { held, since: now, refresh_at: None, expires_at: life.map(|life| now.after(life)) })
                }
                Outcome::Refused | Outcome::Failed(_) => previous,
            };
            self.state = brought.map_or(State::Absent, |good| State::Good(Good { refresh_at: Some(now), ..good }));
            return Landed::Superseded;
        }
        let (why, wait) = match outcome {
            Outcome::Good { token, life, refresh_ahead } => {
                self.generation += 1;
                (self.refused_wait, self.failed_wait) = (Duration::ZERO, Duration::ZERO);
                // A token that claims to live a moment must not cause logins back to back.
                self.latch = Some(Latch { until: now.after(YOUNG), why: Why::Young });
                self.state = State::Good(Good {
                    held: Held { token, generation: self.generation },
                    since: now,
                    refresh_at: life.map(|life| now.after(life.mul_f64(refresh_ahead))),
                    expires_at: life.map(|life| now.after(life)),
                });
                return Landed::Good { life };
            }
            Outcome::Refused => (Why::Refused, next_wait(&mut self.refused_wait, &REFUSED_WAIT)),
            Outcome::Failed(error) => {
                let least = match error {
                    UpstreamError::RateLimited { retry_after } => retry_after,
                    _ => Duration::ZERO,
                };
                // From its begin: one that hung has lasted nearly long enough.
                let wait = next_wait(&mut self.failed_wait, &FAILED_WAIT).saturating_sub(now.since(since));
                (Why::Failed(error), wait.max(FAILED_WAIT.first).max(least))
            }
        };
        // A token that still works stays in use; only the next login waits.
        self.state = previous.map_or(State::Absent, |good| State::Good(Good { refresh_at: Some(now), ..good }));
        let landed = match &why {
            Why::Failed(error) => Landed::Failed { wait, error: error.clone() },
            Why::Refused | Why::Young => Landed::Refused { wait },
        };
        self.latch = Some(Latch { until: now.after(wait), why });
        landed
    }

    /// The vendor refused the token of `generation`. Says whether another try, with another token, makes sense: not
    /// with one that is as good as new, for then it is not the token's age that the vendor minds.
    pub(super) fn died(&mut self, generation: u64, now: Moment) -> bool {
        match &mut self.state {
            State::Good(good) if good.held.generation == generation => {
                if now < good.since.after(YOUNG) {
                    return false;
                }
                self.state = State::Absent;
            }
            State::LoggingIn { previous, .. } if previous.as_ref().is_some_and(|p| p.held.generation == generation) => {
                *previous = None;
            }
            // It was replaced already.
            _ => {}
        }
        true
    }

    pub(super) fn standing(&self, now: Moment) -> LoginStanding {
        let failed = |latch: &&Latch| !matches!(latch.why, Why::Young) && now < latch.until;
        let good = match &self.state {
            State::Good(good) | State::LoggingIn { previous: Some(good), .. } if good.usable(now) => Some(good),
            _ => None,
        };
        LoginStanding {
            state: self.state(now),
            next_try: self.latch.as_ref().filter(failed).map(|latch| latch.until.since(now)),
            expires: good.and_then(|good| good.expires_at).map(|end| end.since(now)),
        }
    }

    pub(super) fn state(&self, now: Moment) -> LoginState {
        match &self.state {
            State::LoggingIn { previous: Some(good), .. } | State::Good(good) if good.usable(now) => LoginState::Good,
            State::LoggingIn { .. } => LoginState::LoggingIn,
            State::Absent | State::Good(_) => match self.latch.as_ref().map(|latch| &latch.why) {
                Some(Why::Refused) => LoginState::Refused,
                Some(Why::Failed(_)) => LoginState::Failed,
                Some(Why::Young) | None => LoginState::Absent,
            },
        }
    }
}

/// Each wait is twice the last of its kind.
fn next_wait(last: &mut Duration, waits: &Waits) -> Duration {
    *last = last.saturating_mul(2).clamp(waits.first, waits.longest);
    *last
}

impl Latch {
    fn unavailable(&self, now: Moment) -> Unavailable {
        let retry_after = self.until.since(now);
        let error = match &self.why {
            Why::Refused | Why::Young => UpstreamError::LoginFailed { retry_after },
            Why::Failed(UpstreamError::RateLimited { .. }) => UpstreamError::RateLimited { retry_after },
            Why::Failed(error) => error.clone(),
        };
        Unavailable { retry_after, error }
    }
}

#[cfg(test)]
mod tests;
