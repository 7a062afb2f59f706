use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

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

/// The calls that we allow ourselves (`upstream.rate_limit`), whoever asks: GCRA, so that a spent budget comes
/// back evenly.
pub(super) struct CallBudget {
    limiter: RateLimiter<NotKeyed, InMemoryState, GcraClock, StateInformationMiddleware>,
    burst: u32,
    /// How long one call takes to come back.
    each: Duration,
    /// When the budget is whole again, in nanoseconds. The limiter itself can be asked only by taking a call.
    whole_at: AtomicU64,
    clock: SharedClock,
}

/// The budget is spent for longer than a call may wait.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Spent {
    pub(super) retry_after: Duration,
}

impl CallBudget {
    /// Full at first.
    pub(super) fn new(limit: &RateLimit, clock: SharedClock) -> Self {
        let quota = limit.quota();
        Self {
            limiter: RateLimiter::direct_with_clock(quota, GcraClock(clock.clone())).with_middleware(),
            burst: quota.burst_size().get(),
            each: quota.replenish_interval(),
            whole_at: AtomicU64::new(0),
            clock,
        }
    }

    /// Takes one call out of the budget, waiting up to `max_wait` for it.
    pub(super) async fn take(&self, max_wait: Duration) -> Result<(), Spent> {
        let give_up = self.clock.now().after(max_wait);
        loop {
            let not_until = match self.limiter.check() {
                Ok(after) => {
                    let taken = self.burst.saturating_sub(after.remaining_burst_capacity());
                    let whole_at = self.clock.now().after(self.each.saturating_mul(taken));
                    self.whole_at.fetch_max(whole_at.as_nanos(), Ordering::Relaxed);
                    return Ok(());
                }
                Err(not_until) => not_until,
            };
            let wait = not_until.wait_time_from(Nanos::from(self.clock.now().as_nanos()));
            let ready = self.clock.now().after(wait);
            if ready > give_up {
                return Err(Spent { retry_after: wait });
            }
            self.clock.sleep_until(ready).await;
        }
    }

    /// What is left now.
    pub(super) fn left(&self) -> Budget {
        left(self.burst, self.each, self.whole_at.load(Ordering::Relaxed), self.clock.now())
    }
}

fn left(burst: u32, each: Duration, whole_at: u64, now: Moment) -> Budget {
    if whole_at <= now.as_nanos() {
        return Budget { remaining: burst, burst };
    }
    let back_in = u128::from(whole_at.saturating_sub(now.as_nanos()));
    let taken = u32::try_from(back_in.div_ceil(each.as_nanos().max(1))).unwrap_or(u32::MAX);
    Budget { remaining: burst.saturating_sub(taken), burst }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::ManualClock;

    #[tokio::test]
    async fn what_is_left_is_known_without_taking_any() {
        let clock = ManualClock::at(jiff::Timestamp::UNIX_EPOCH);
        let count = std::num::NonZeroU32::new;
        let limit = RateLimit { requests: count(240).unwrap(), per: Duration::from_secs(60), burst: count(30) };
        let budget = CallBudget::new(&limit, Arc::new(clock.clone()));
        assert_eq!(budget.left(), Budget { remaining: 30, burst: 30 });
        for taken in 1..=30 {
            budget.take(Duration::ZERO).await.unwrap();
            assert_eq!(budget.left().remaining, 30 - taken);
        }
        assert!(budget.take(Duration::ZERO).await.is_err());
        assert_eq!(budget.left().remaining, 0);
        clock.advance(Duration::from_millis(249));
        assert_eq!(budget.left().remaining, 0);
        clock.advance(Duration::from_millis(1));
        assert_eq!(budget.left().remaining, 1);
        clock.advance(Duration::from_secs(60));
        assert_eq!(budget.left().remaining, 30);
    }
}
