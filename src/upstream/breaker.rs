//! The circuit breaker: stops asking a vendor that keeps failing. Pure: `now` is an argument.

use std::{collections::VecDeque, time::Duration};

use serde::Serialize;

use crate::{clock::Moment, config::BreakerConfig};

/// What the breaker does with calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "&'static str")]
pub enum BreakerState {
    /// Lets all through.
    Closed,
    /// Lets none through.
    Open,
    /// Has let one through, and waits for its outcome.
    HalfOpen,
}

impl BreakerState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// The state's name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

impl From<BreakerState> for &'static str {
    fn from(state: BreakerState) -> Self {
        state.as_str()
    }
}

/// Closed lets all through, open none, half-open one probe.
pub(super) struct Breaker {
    settings: BreakerConfig,
    state: State,
}

enum State {
    Closed {
        recent: VecDeque<(Moment, bool)>,
    },
    Open {
        until: Moment,
        pause: Duration,
    },
    /// A probe is under way since `since`. Should it not report within `pause`, the next is let through.
    HalfOpen {
        since: Moment,
        pause: Duration,
    },
}

/// A pass through the breaker; hand it back with the outcome.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pass {
    Ordinary,
    Probe,
}

impl Breaker {
    /// Outcomes remembered at most, whatever the rate of calls.
    const MOST_RECENT: usize = 1000;

    pub(super) fn new(settings: BreakerConfig) -> Self {
        Self { settings, state: State::Closed { recent: VecDeque::new() } }
    }

    /// Lets a call through, or says how long it stays open.
    pub(super) fn admit(&mut self, now: Moment) -> Result<Pass, Duration> {
        match self.state {
            State::Closed { .. } => Ok(Pass::Ordinary),
            State::Open { until, pause } => self.probe(until, pause, now),
            State::HalfOpen { since, pause } => self.probe(since.after(pause), pause, now),
        }
    }

    fn probe(&mut self, due: Moment, pause: Duration, now: Moment) -> Result<Pass, Duration> {
        if now < due {
            return Err(due.since(now));
        }
        self.state = State::HalfOpen { since: now, pause };
        Ok(Pass::Probe)
    }

    /// Learns how a call ended that was let through.
    pub(super) fn record(&mut self, pass: Pass, succeeded: bool, now: Moment) {
        match (&mut self.state, pass) {
            (State::Closed { recent }, _) => {
                let window = self.settings.window;
                recent.push_back((now, succeeded));
                while recent.len() > Self::MOST_RECENT || recent.front().is_some_and(|(at, _)| now.since(*at) > window)
                {
                    recent.pop_front();
                }
                let failed = recent.iter().filter(|(_, succeeded)| !succeeded).count();
                let enough = u32::try_from(recent.len()).is_ok_and(|calls| calls >= self.settings.min_calls.get());
                #[expect(clippy::cast_precision_loss, reason = "at most a thousand")]
                let too_many = failed as f64 >= self.settings.failure_ratio * recent.len() as f64;
                if failed > 0 && enough && too_many {
                    self.open(now, self.settings.pause, now);
                }
            }
            (State::HalfOpen { .. } | State::Open { .. }, Pass::Probe) if succeeded => {
                self.state = State::Closed { recent: VecDeque::new() };
            }
            (State::HalfOpen { since, pause }, Pass::Probe) => {
                // From the probe's begin: one that hung has lasted long enough.
                let (since, longer) = (*since, pause.saturating_mul(2).min(self.settings.max_pause));
                self.open(since, longer, now);
            }
            // A call from before it opened says nothing of the vendor now, nor does the failure of a second probe.
            (State::Open { .. } | State::HalfOpen { .. }, _) => {}
        }
    }

    /// A call that was let through was never made.
    pub(super) fn forfeit(&mut self, pass: Pass, now: Moment) {
        if let (State::HalfOpen { pause, .. }, Pass::Probe) = (&self.state, pass) {
            self.state = State::Open { until: now, pause: *pause };
        }
    }

    /// How long until it lets a probe through, if it is not closed.
    pub(super) fn probe_in(&self, now: Moment) -> Option<Duration> {
        match self.state {
            State::Closed { .. } => None,
            State::Open { until, .. } => Some(until.since(now)),
            State::HalfOpen { since, pause } => Some(since.after(pause).since(now)),
        }
    }

    pub(super) fn state(&self) -> BreakerState {
        match self.state {
            State::Closed { .. } => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    fn open(&mut self, since: Moment, pause: Duration, now: Moment) {
        self.state = State::Open { until: since.after(pause).max(now), pause };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn breaker() -> Breaker {
        Breaker::new(BreakerConfig {
            failure_ratio: 0.5,
            min_calls: std::num::NonZeroU32::new(4).unwrap(),
            window: secs(10),
            pause: secs(5),
            max_pause: secs(12),
        })
    }

    fn at(seconds: u64) -> Moment {
        Moment::default().after(secs(100 + seconds))
    }

    fn call(breaker: &mut Breaker, succeeded: bool, seconds: u64) {
        let pass = breaker.admit(at(seconds)).unwrap();
        breaker.record(pass, succeeded, at(seconds));
    }

    #[test]
    fn it_opens_when_most_of_the_recent_calls_fail_and_not_before() {
        let mut breaker = breaker();
        for succeeded in [true, true, false] {
            call(&mut breaker, succeeded, 0);
        }
        assert!(breaker.admit(at(0)).is_ok());
        call(&mut breaker, false, 1);
        assert_eq!(breaker.admit(at(1)), Err(secs(5)));
        assert_eq!(breaker.admit(at(4)), Err(secs(2)));
    }

    #[test]
    fn old_failures_do_not_count() {
        let mut breaker = breaker();
        for _ in 0..3 {
            call(&mut breaker, false, 0);
        }
        call(&mut breaker, false, 11);
        assert!(breaker.admit(at(11)).is_ok());
    }

    #[test]
    fn one_probe_a_pause_and_the_pauses_grow_to_their_most() {
        let mut breaker = breaker();
        for _ in 0..4 {
            call(&mut breaker, false, 0);
        }
        assert_eq!(breaker.admit(at(5)), Ok(Pass::Probe));
        assert!(breaker.admit(at(5)).is_err());
        breaker.record(Pass::Probe, false, at(6));
        assert_eq!(breaker.admit(at(6)), Err(secs(9)), "ten seconds from the probe's begin");
        assert_eq!(breaker.admit(at(15)), Ok(Pass::Probe));
        breaker.record(Pass::Probe, false, at(16));
        assert_eq!(breaker.admit(at(16)), Err(secs(11)));
        assert_eq!(breaker.admit(at(28)), Ok(Pass::Probe));
        breaker.record(Pass::Ordinary, true, at(28));
        assert!(breaker.admit(at(28)).is_err(), "a late ordinary call closed it");
        breaker.record(Pass::Probe, true, at(28));
        assert_eq!(breaker.admit(at(28)), Ok(Pass::Ordinary));
    }

    #[test]
    fn a_probe_that_hangs_costs_no_further_pause_and_a_late_success_counts() {
        let mut breaker = breaker();
        for _ in 0..4 {
            call(&mut breaker, false, 0);
        }
        assert_eq!(breaker.admit(at(5)), Ok(Pass::Probe));
        breaker.record(Pass::Probe, false, at(25));
        assert_eq!(breaker.admit(at(25)), Ok(Pass::Probe));
        assert_eq!(breaker.admit(at(35)), Ok(Pass::Probe), "the second while the first hangs");
        breaker.record(Pass::Probe, false, at(36));
        assert!(breaker.admit(at(36)).is_err());
        breaker.record(Pass::Probe, true, at(36));
        assert_eq!(breaker.admit(at(36)), Ok(Pass::Ordinary));
    }

    #[test]
    fn a_probe_that_never_reports_does_not_keep_it_open_for_ever() {
        let mut breaker = breaker();
        for _ in 0..4 {
            call(&mut breaker, false, 0);
        }
        assert_eq!(breaker.admit(at(5)), Ok(Pass::Probe));
        assert_eq!(breaker.admit(at(10)), Ok(Pass::Probe));
        breaker.forfeit(Pass::Probe, at(10));
        assert_eq!(breaker.admit(at(10)), Ok(Pass::Probe), "a probe that was never sent is given to the next");
    }
}
