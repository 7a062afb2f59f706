use std::time::Duration;

use governor::{
    RateLimiter,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{InMemoryState, NotKeyed},
};

use crate::{
    clock::{GcraClock, SharedClock},
    config::RateLimit,
};

/// The calls that we allow ourselves (`upstream.rate_limit`), whoever asks: GCRA, so that a spent budget comes
/// back evenly.
pub(super) struct CallBudget {
    limiter: RateLimiter<NotKeyed, InMemoryState, GcraClock, NoOpMiddleware<Nanos>>,
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
        let limiter = RateLimiter::direct_with_clock(limit.quota(), GcraClock(clock.clone()));
        Self { limiter, clock }
    }

    /// Takes one call out of the budget, waiting up to `max_wait` for it.
    pub(super) async fn take(&self, max_wait: Duration) -> Result<(), Spent> {
        let give_up = self.clock.now().after(max_wait);
        loop {
            let Err(not_until) = self.limiter.check() else { return Ok(()) };
            let wait = not_until.wait_time_from(self.clock.now().as_nanos().into());
            let ready = self.clock.now().after(wait);
            if ready > give_up {
                return Err(Spent { retry_after: wait });
            }
            self.clock.sleep_until(ready).await;
        }
    }
}
