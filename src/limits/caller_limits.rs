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

/// Limits the request rate of each caller (GCRA). No caller can spend another's share.
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

/// A caller's limit, as `RateLimit-Policy` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// `default`, or `caller` if the caller has its own limit.
    pub name: &'static str,
    /// The requests that are admitted immediately after a pause.
    pub burst: u32,
    /// The seconds in which a spent burst is whole again.
    pub window: u64,
}

/// The result of counting one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimitDecision {
    /// The caller's limit.
    pub quota: Quota,
    /// The requests that are still admitted immediately.
    pub remaining: u32,
    /// The seconds until one more is admitted, at least 1.
    pub reset: u64,
    /// Whether the request is within the limit. If not, `reset` is the time to wait.
    pub admitted: bool,
}

impl CallerLimits {
    /// Builds the limiters in the order of the configuration. A caller whose limit is the same as `before` keeps its state.
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

    /// Returns the limits in the order of the configuration.
    pub fn quotas(&self) -> impl Iterator<Item = Quota> {
        self.limiters.iter().map(|limiter| limiter.quota)
    }

    /// Counts one request of the caller at `index`. Returns `None` if there is no such caller.
    pub fn check(&self, index: usize) -> Option<RateLimitDecision> {
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

/// Rounds up to at least 1, so that the next request after the wait is admitted.
fn whole_seconds(length: Duration) -> u64 {
    let up = u64::from(length.subsec_nanos() > 0);
    (length.as_secs() + up).max(1)
}
