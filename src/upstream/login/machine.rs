//! The states of the service login, and every way from one to another. Pure: `now` is an argument.

use std::{sync::Arc, time::Duration};

use super::{
    account::Account,
    attempt::{LoginRequest, Outcome},
    blocked::{Blocked, Latch, Why},
    login_gate::LoginGate,
    refusals::{Refusals, Remembered},
    state::{LoginStanding, LoginState},
    step::{Held, Landed, Renewal, Unrenewed, Want},
    token::Token,
};
use crate::{clock::Moment, config::Secret, upstream::error::UpstreamError};

/// After a failure that is no refusal: 5xx, no token, no answer. Short enough that a vendor who is back is found within ten
/// seconds.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(8);
/// A token refused sooner than this after its login does not cause another login at once.
const YOUNG: Duration = Duration::from_secs(2);

pub(super) struct Machine {
    account: Account,
    state: State,
    gate: LoginGate,
    /// The login whose token was refused by a target that had accepted it, until a call is accepted with it.
    suspect: Option<u64>,
    /// Whether the last login began within [`YOUNG`] of the login before it.
    is_hurried: bool,
    /// Set by a login that brought no token for another cause than a refusal, or one just now: until then there is no other.
    latch: Option<Latch>,
    /// What came of the last login with what holds, if it brought no token: refused or failed.
    setback: Option<LoginState>,
    generation: u64,
    failed_wait: Duration,
}

enum State {
    Absent,
    LoggingIn(Attempt),
    Good(Good),
}

/// A login under way.
struct Attempt {
    with: Arc<LoginRequest>,
    /// Whether other credentials have taken the place of those it was begun with.
    superseded: bool,
    /// The token from the login before.
    previous: Option<Good>,
    since: Moment,
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
    pub(super) fn new(request: LoginRequest, refusals: Refusals) -> Self {
        Self {
            account: Account::new(request, refusals),
            state: State::Absent,
            gate: LoginGate::default(),
            suspect: None,
            is_hurried: false,
            latch: None,
            setback: None,
            generation: 0,
            failed_wait: Duration::ZERO,
        }
    }

    /// With what the next login is made, if nothing of it was refused.
    pub(super) const fn current(&self) -> &Arc<LoginRequest> {
        self.account.current()
    }

    /// Whether the last good login was made with `request`.
    pub(super) fn proven(&self, request: &LoginRequest) -> bool {
        self.account.proven(request)
    }

    /// What is to be remembered of the account's refusals beyond the process, if anything. It has to be written down before
    /// a login that is not [`proven`](Self::proven) is sent, and after it.
    pub(super) fn remembered(&self, now: Moment) -> Option<Remembered> {
        let under_way = match &self.state {
            State::LoggingIn(attempt) if !self.proven(&attempt.with) => Some(attempt.with.credentials()),
            _ => None,
        };
        self.account.refusals.remembered(under_way.as_deref(), now)
    }

    /// Says what to do for a token. Where the answer is to run a login, the caller must run it, and report
    /// by [`landed`](Self::landed).
    pub(super) fn want(&mut self, now: Moment) -> Want {
        match &self.state {
            State::Good(good) if good.usable(now) => {
                let good = good.clone();
                let Some(due) = good.refresh_at else { return Want::Use { held: good.held, refresh_at: None } };
                let next = if now < due { Err(due) } else { self.next(now).map_err(|blocked| blocked.until) };
                match next {
                    Err(refresh_at) => Want::Use { held: good.held, refresh_at: Some(refresh_at) },
                    Ok(with) => {
                        let held = good.held.clone();
                        self.begin(&with, Some(good), now);
                        Want::UseAndRefresh(held, with)
                    }
                }
            }
            // A slow login does not hold up those whose token still works.
            State::LoggingIn(Attempt { previous: Some(good), .. }) if good.usable(now) => {
                Want::Use { held: good.held.clone(), refresh_at: None }
            }
            State::LoggingIn(_) => Want::Wait,
            State::Absent | State::Good(_) => match self.next(now) {
                Err(blocked) => Want::Refuse(blocked.unavailable(now)),
                Ok(with) => {
                    self.begin(&with, None, now);
                    Want::Begin(with)
                }
            },
        }
    }

    fn begin(&mut self, with: &Arc<LoginRequest>, previous: Option<Good>, now: Moment) {
        let with = Arc::clone(with);
        self.is_hurried = self.latch.as_ref().is_some_and(|latch| now < latch.until);
        self.state = State::LoggingIn(Attempt { with, superseded: false, previous, since: now });
    }

    /// What a login may be made with now.
    fn next(&self, now: Moment) -> Result<Arc<LoginRequest>, Blocked<'_>> {
        let latch = self.latch.as_ref().filter(|latch| now < latch.until);
        let latched = latch.map(|latch| Blocked { until: latch.until, latch: Some(&latch.why) });
        match (self.account.next(now), latched) {
            (Ok(with), None) => Ok(with),
            (Ok(_), Some(latched)) => Err(latched),
            (Err(until), Some(latched)) if until <= latched.until => Err(latched),
            (Err(until), _) => Err(Blocked { until, latch: None }),
        }
    }

    /// Returns whether the last login failed, other than by a refusal.
    pub(super) fn has_failed(&self) -> bool {
        !self.failed_wait.is_zero()
    }

    /// From now on the account has this password: it is tried at once, whatever was refused. A token that works stays in use
    /// until the next login.
    pub(super) fn change_password(&mut self, password: Secret, now: Moment) {
        self.account.change_password(password);
        self.restart(now);
    }

    /// From now on the configuration says that the account is this one; `refusals` are those of another account. It is tried
    /// at once, unless just this was refused. False if it was this one already.
    pub(super) fn adopt(&mut self, request: LoginRequest, refusals: Option<Refusals>, now: Moment) -> bool {
        let new = self.account.adopt(request, refusals);
        if new {
            self.restart(now);
        }
        new
    }

    fn restart(&mut self, now: Moment) {
        // A vendor that has asked for patience, or does not answer, does so whatever the credentials are.
        self.latch.take_if(|latch| matches!(latch.why, Why::Young));
        self.setback = None;
        let current = self.account.current();
        match &mut self.state {
            State::Good(good) => good.refresh_at = Some(now),
            State::LoggingIn(attempt) => attempt.superseded = !attempt.with.same(current),
            State::Absent => {}
        }
    }

    /// The login that was begun has ended.
    pub(super) fn landed(&mut self, outcome: Outcome, now: Moment) -> Landed {
        let State::LoggingIn(attempt) = std::mem::replace(&mut self.state, State::Absent) else {
            return Landed::Superseded;
        };
        let Attempt { with, superseded, previous, since } = attempt;
        let again_at_once = |good| State::Good(Good { refresh_at: Some(now), ..good });
        match outcome {
            Outcome::Good { token, life, refresh_ahead } if !superseded => {
                self.failed_wait = Duration::ZERO;
                self.setback = None;
                self.account.prove(&with, now);
                // A token that claims to live a moment must not cause logins back to back.
                self.latch = Some(Latch { until: now.after(YOUNG), why: Why::Young });
                let refresh_at = life.map(|life| now.after(life.mul_f64(refresh_ahead)));
                self.state = State::Good(Good { refresh_at, ..self.good(token, life, now) });
                Landed::Good { life }
            }
            // Whatever came of it, a login with what holds now comes next. Until then the token serves, if it is of the same
            // account: that of one which was replaced is not brought in any more.
            Outcome::Good { token, life, .. } => {
                let same = with.same_account(self.account.current());
                let brought = if same { Some(self.good(token, life, now)) } else { previous };
                self.state = brought.map_or(State::Absent, again_at_once);
                Landed::Superseded
            }
            Outcome::Refused => {
                // It counts for the vendor also where it was superseded; and only for what was refused.
                let wait = self.account.refusals.refuse(&with.credentials(), now);
                self.state = previous.map_or(State::Absent, again_at_once);
                self.drop_suspect();
                if superseded {
                    return Landed::Superseded;
                }
                self.setback = Some(LoginState::Refused);
                Landed::Refused { wait, in_doubt: self.account.in_doubt() }
            }
            Outcome::Failed(error) => {
                // A token that still works stays in use; only the next login waits.
                self.state = previous.map_or(State::Absent, again_at_once);
                self.drop_suspect();
                let least = match error {
                    UpstreamError::RateLimited { retry_after } => retry_after,
                    _ => Duration::ZERO,
                };
                // From its begin: one that hung has lasted nearly long enough.
                self.failed_wait = self.failed_wait.saturating_mul(2).clamp(FIRST_WAIT, LONGEST_WAIT);
                let wait = self.failed_wait.saturating_sub(now.since(since)).max(FIRST_WAIT).max(least);
                self.latch = Some(Latch { until: now.after(wait), why: Why::Failed(error.clone()) });
                self.setback = Some(LoginState::Failed);
                Landed::Failed { wait, error }
            }
        }
    }

    fn good(&mut self, token: Token, life: Option<Duration>, now: Moment) -> Good {
        self.generation += 1;
        let held = Held { token, generation: self.generation };
        Good { held, since: now, refresh_at: None, expires_at: life.map(|life| now.after(life)) }
    }

    /// Says what to do for a token newer than that of `generation`, which the vendor refused for a target;
    /// `accepted` is the last login whose token the target accepted. Where the answer is to run a login, the caller must
    /// run it, and report by [`landed`](Self::landed).
    pub(super) fn renew(&mut self, generation: u64, accepted: Option<u64>, now: Moment) -> Renewal {
        let good = match &self.state {
            State::LoggingIn(Attempt { previous, .. }) => previous.as_ref(),
            State::Good(good) => Some(good),
            State::Absent => None,
        };
        if let Some(good) = good.filter(|good| good.held.generation > generation && good.usable(now)) {
            return Renewal::Use(good.held.clone());
        }
        // A token may also die before this target was asked with it. That is assumed of one login in a row.
        let had_accepted = accepted.is_some_and(|accepted| accepted.saturating_add(1) >= generation)
            && self.gate.is_proven(generation.saturating_sub(1));
        if !self.gate.is_proven(generation)
            && let Some(since) = good.map(|good| good.since)
        {
            self.gate.refused(generation, since);
        }
        if had_accepted {
            self.suspect = Some(generation);
        }
        if matches!(self.state, State::LoggingIn(_)) {
            return Renewal::Wait;
        }
        if self.gate.closed_until(now).is_some() && !had_accepted && !matches!(self.state, State::Absent) {
            return Renewal::Refuse(Unrenewed::Gate);
        }
        let next = match self.next(now) {
            // The token died right after its login. One login in a row may follow so soon.
            Err(blocked) if blocked.is_young() && had_accepted && !self.is_hurried => {
                self.account.next(now).map_err(|until| Blocked { until, latch: None })
            }
            next => next,
        };
        match next.map_err(|blocked| (blocked.is_young(), blocked.unavailable(now))) {
            Ok(with) => {
                let previous = match std::mem::replace(&mut self.state, State::Absent) {
                    State::Good(good) => Some(good),
                    State::LoggingIn(_) | State::Absent => None,
                };
                self.begin(&with, previous, now);
                Renewal::Begin(with)
            }
            Err((true, _)) => Renewal::Refuse(Unrenewed::Gate),
            Err((false, unavailable)) => {
                self.drop_suspect();
                Renewal::Refuse(Unrenewed::Unavailable(unavailable))
            }
        }
    }

    /// A call succeeded with the token of `generation`; `renewed` says whether that came for this call.
    pub(super) fn accepted(&mut self, generation: u64, renewed: bool) {
        self.suspect.take_if(|suspect| *suspect <= generation);
        self.gate.accepted(generation, renewed);
    }

    /// The call for which the token of `generation` came was refused with it too.
    pub(super) fn refused(&mut self, generation: u64) {
        if let State::Good(good) | State::LoggingIn(Attempt { previous: Some(good), .. }) = &self.state
            && good.held.generation == generation
        {
            self.gate.refused(generation, good.since);
        }
    }

    /// No newer token comes now. A token that a target refuses after it accepted it, and that no call was accepted with
    /// since, is dead: it is not sent again.
    fn drop_suspect(&mut self) {
        if let State::Good(good) = &self.state
            && self.suspect == Some(good.held.generation)
        {
            self.state = State::Absent;
        }
    }

    pub(super) fn standing(&self, now: Moment) -> LoginStanding {
        let good = match &self.state {
            State::Good(good) | State::LoggingIn(Attempt { previous: Some(good), .. }) if good.usable(now) => {
                Some(good)
            }
            _ => None,
        };
        let blocked = self.next(now).err().filter(|blocked| !matches!(blocked.latch, Some(Why::Young)));
        LoginStanding {
            state: self.state(now),
            setback: self.setback(now),
            next_try: blocked.map(|blocked| blocked.until.since(now)),
            expires: good.and_then(|good| good.expires_at).map(|end| end.since(now)),
        }
    }

    /// Why no token will follow the one that is in use, as far as the logins tell: refused or failed. Where none is in use,
    /// the state says all.
    fn setback(&self, now: Moment) -> Option<LoginState> {
        if self.state(now) != LoginState::Good {
            return None;
        }
        // Credentials that were refused before others were good still are.
        let refused = self.account.next(now).is_err().then_some(LoginState::Refused);
        refused.or(self.setback)
    }

    pub(super) fn state(&self, now: Moment) -> LoginState {
        match &self.state {
            State::LoggingIn(Attempt { previous: Some(good), .. }) | State::Good(good) if good.usable(now) => {
                LoginState::Good
            }
            State::LoggingIn(_) => LoginState::LoggingIn,
            State::Absent | State::Good(_) if self.account.next(now).is_err() => LoginState::Refused,
            State::Absent | State::Good(_) => match self.latch.as_ref().map(|latch| &latch.why) {
                Some(Why::Failed(_)) => LoginState::Failed,
                Some(Why::Young) | None => LoginState::Absent,
            },
        }
    }
}

#[cfg(test)]
mod tests;
