use std::time::Duration;

use governor::{
    RateLimiter,
    middleware::StateInformationMiddleware,
    nanos::Nanos,
    state::{InMemoryState, NotKeyed},
};

use super::vendor::Budget;
use crate::{
    clock::{GcraClock, Moment, SharedClock},
    config::RateLimit,
};

/// The call budget (`upstream.rate_limit`): GCRA, so that a spent budget refills evenly.
pub(super) struct CallBudget {
    limiter: RateLimiter<NotKeyed, InMemoryState, GcraClock, StateInformationMiddleware>,
    burst: u32,
    each: Duration,
    /// When the budget is full again. The limiter can be asked only by taking a call.
    full_at: Moment,
}

impl CallBudget {
    /// Full at first.
    pub(super) fn new(limit: &RateLimit, clock: SharedClock) -> Self {
        let quota = limit.quota();
        Self {
            limiter: RateLimiter::direct_with_clock(quota, GcraClock(clock)).with_middleware(),
            burst: quota.burst_size().get(),
            each: quota.replenish_interval(),
            full_at: Moment::default(),
        }
    }

    /// Returns the time in which one call is refilled.
    pub(super) fn each(&self) -> Duration {
        self.each
    }

    /// Takes one call, or returns the time until there is one.
    pub(super) fn take(&mut self, now: Moment) -> Result<(), Duration> {
        match self.limiter.check() {
            Ok(after) => {
                let taken = self.burst.saturating_sub(after.remaining_burst_capacity());
                self.full_at = self.full_at.max(now.after(self.each.saturating_mul(taken)));
                Ok(())
            }
            Err(not_until) => Err(not_until.wait_time_from(Nanos::from(now.as_nanos()))),
        }
    }

    /// Returns what is left.
    pub(super) fn left(&self, now: Moment) -> Budget {
        let taken = self.full_at.since(now).as_nanos().div_ceil(self.each.as_nanos().max(1));
        let taken = u32::try_from(taken).unwrap_or(u32::MAX);
        Budget { remaining: self.burst.saturating_sub(taken), burst: self.burst }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::{Clock, ManualClock};

    #[test]
    fn what_is_left_is_known_without_taking_any() {
        let clock = ManualClock::at(jiff::Timestamp::UNIX_EPOCH);
        let count = std::num::NonZeroU32::new;
        let limit = RateLimit { requests: count(240).unwrap(), per: Duration::from_secs(60), burst: count(30) };
        let mut budget = CallBudget::new(&limit, Arc::new(clock.clone()));
        assert_eq!(budget.left(clock.now()), Budget { remaining: 30, burst: 30 });
        for taken in 1..=30 {
            budget.take(clock.now()).unwrap();
            assert_eq!(budget.left(clock.now()).remaining, 30 - taken);
        }
        assert!(budget.take(clock.now()).is_err());
        assert_eq!(budget.left(clock.now()).remaining, 0);
        clock.advance(Duration::from_millis(249));
        assert_eq!(budget.left(clock.now()).remaining, 0);
        clock.advance(Duration::from_millis(1));
        assert_eq!(budget.left(clock.now()).remaining, 1);
        clock.advance(Duration::from_secs(60));
        assert_eq!(budget.left(clock.now()).remaining, 30);
    }
}
