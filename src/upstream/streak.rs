//! How the last calls went, for operators: the breaker forgets, and opens only when there are enough of them. Pure.

use std::time::Duration;

use crate::{clock::Moment, telemetry::CallOutcome};

/// Calls since the last good one.
#[derive(Default)]
pub(super) struct Streak {
    last_good: Option<Moment>,
    failing: Option<Failing>,
}

struct Failing {
    since: Moment,
    last: Moment,
    calls: u64,
    why: CallOutcome,
}

/// The same, told at some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct StreakStanding {
    pub(super) last_good: Option<Duration>,
    pub(super) failing: Option<FailingStanding>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FailingStanding {
    pub(super) since: Duration,
    pub(super) last: Duration,
    pub(super) calls: u64,
    pub(super) why: CallOutcome,
}

impl Streak {
    /// A call came to an end; `failed` says why it is no good one.
    pub(super) fn record(&mut self, failed: Option<CallOutcome>, now: Moment) {
        match (failed, &mut self.failing) {
            (None, failing) => {
                self.last_good = Some(now);
                *failing = None;
            }
            (Some(why), Some(failing)) => {
                (failing.last, failing.why) = (now, why);
                failing.calls = failing.calls.saturating_add(1);
            }
            (Some(why), failing) => *failing = Some(Failing { since: now, last: now, calls: 1, why }),
        }
    }

    pub(super) fn at(&self, now: Moment) -> StreakStanding {
        StreakStanding {
            last_good: self.last_good.map(|moment| now.since(moment)),
            failing: self.failing.as_ref().map(|failing| FailingStanding {
                since: now.since(failing.since),
                last: now.since(failing.last),
                calls: failing.calls,
                why: failing.why,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_are_counted_until_a_call_is_good() {
        let at = |seconds: u64| Moment::default().after(Duration::from_secs(seconds));
        let mut streak = Streak::default();
        assert_eq!(streak.at(at(1)), StreakStanding::default());
        streak.record(None, at(2));
        streak.record(Some(CallOutcome::Failed), at(4));
        streak.record(Some(CallOutcome::Timeout), at(7));
        let (since, last) = (Duration::from_secs(5), Duration::from_secs(2));
        let failing = Some(FailingStanding { since, last, calls: 2, why: CallOutcome::Timeout });
        assert_eq!(streak.at(at(9)), StreakStanding { last_good: Some(Duration::from_secs(7)), failing });
        streak.record(None, at(10));
        assert_eq!(streak.at(at(10)), StreakStanding { last_good: Some(Duration::ZERO), failing: None });
    }
}
