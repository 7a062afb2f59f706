use std::{sync::Arc, time::Duration};

use governor::{
    RateLimiter,
    clock::Reference,
    middleware::StateInformationMiddleware,
    state::{InMemoryState, NotKeyed},
};

use crate::{
    clock::{GcraClock, SharedClock},
    config::{CallerConfig, RateLimit},
    model::CallerName,
};

/// One limiter a caller, held with GCRA: none can spend another's share.
pub struct CallerLimits {
    limiters: Vec<Arc<Limiter>>,
    clock: SharedClock,
}

struct Limiter {
    caller: CallerName,
    limit: RateLimit,
    state: RateLimiter<NotKeyed, InMemoryState, GcraClock, StateInformationMiddleware>,
    quota: Quota,
}

/// A caller's limit, as it is told to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// `default`, or `caller` if it has one of its own.
    pub name: &'static str,
    /// Requests that may come at once.
    pub burst: u32,
    /// Seconds in which a spent burst is whole again.
    pub window: u64,
}

/// How a caller stands after one more request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimitDecision {
    /// Its limit.
    pub quota: Quota,
    /// Requests that may still come at once.
    pub remaining: u32,
    /// Seconds until there is room for one more than that; at least 1.
    pub reset: u64,
    /// Whether this request is within the limit. If not, `reset` is how long to wait.
    pub admitted: bool,
}

impl CallerLimits {
    /// Limiters in the order of the configuration. Whose limit is what it was `before` goes on where it stood.
    pub fn new(callers: &[CallerConfig], default: &RateLimit, clock: SharedClock, before: Option<&Self>) -> Self {
        let limiter = |caller: &CallerConfig| {
            let (limit, name) = caller.rate_limit.as_ref().map_or((default, "default"), |own| (own, "caller"));
            let same = |earlier: &&Arc<Limiter>| {
                earlier.caller == caller.name && earlier.limit == *limit && earlier.quota.name == name
            };
            if let Some(earlier) = before.and_then(|before| before.limiters.iter().find(same)) {
                return Arc::clone(earlier);
            }
            let window = limit.per.mul_f64(f64::from(limit.burst().get()) / f64::from(limit.requests.get()));
            Arc::new(Limiter {
                caller: caller.name.clone(),
                limit: limit.clone(),
                state: RateLimiter::direct_with_clock(limit.quota(), GcraClock(clock.clone())).with_middleware(),
                quota: Quota { name, burst: limit.burst().get(), window: whole_seconds(window) },
            })
        };
        Self { limiters: callers.iter().map(limiter).collect(), clock }
    }

    /// The limits, in the order of the configuration.
    pub fn quotas(&self) -> impl Iterator<Item = Quota> {
        self.limiters.iter().map(|limiter| limiter.quota)
    }

    /// Counts one request of the caller at `index`. `None` if there is no such caller.
    pub fn count(&self, index: usize) -> Option<RateLimitDecision> {
        let Limiter { state, quota, .. } = self.limiters.get(index)?.as_ref();
        Some(match state.check() {
            Ok(snapshot) => RateLimitDecision {
                quota: *quota,
                remaining: snapshot.remaining_burst_capacity(),
                reset: whole_seconds(snapshot.quota().replenish_interval()),
                admitted: true,
            },
            Err(not_until) => {
                let now = governor::nanos::Nanos::from(self.clock.now().as_nanos());
                let wait: Duration = not_until.earliest_possible().duration_since(now).into();
                RateLimitDecision { quota: *quota, remaining: 0, reset: whole_seconds(wait), admitted: false }
            }
        })
    }
}

/// Rounded up, and never 0: waiting that long must work.
fn whole_seconds(length: Duration) -> u64 {
    let up = u64::from(length.subsec_nanos() > 0);
    (length.as_secs() + up).max(1)
}
