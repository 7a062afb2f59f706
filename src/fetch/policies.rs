use jiff::{SignedDuration, Timestamp};

use crate::{
    cache::Policy,
    config::{CacheConfig, Config, FreshnessConfig, RouteConfig},
    model::Route,
};

/// How much a part's content could still change when it was fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// At any time.
    Open,
    /// By late corrections only.
    Closed,
    /// Not any more.
    Settled,
}

/// How long each route's parts may be served (CONTRACT, section 2). Pure.
#[derive(PartialEq)]
pub struct Policies {
    cache: CacheConfig,
    routes: Vec<RouteConfig>,
}

impl Policies {
    /// The policies that the configuration sets.
    pub fn new(config: &Config) -> Self {
        Self { cache: config.cache.clone(), routes: config.routes.clone() }
    }

    /// How much the figures of an interval that ends at `end` could still change at `at`.
    pub(super) fn phase(&self, end: Timestamp, at: Timestamp) -> Phase {
        let config = &self.cache.queue_performance;
        let past = |after: std::time::Duration| {
            let after = SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX);
            at.duration_since(end) > after
        };
        if past(config.settled_after) {
            Phase::Settled
        } else if past(config.closed_after) {
            Phase::Closed
        } else {
            Phase::Open
        }
    }

    /// The policy for a part of `route` that was fetched in `phase`.
    pub(super) fn of(&self, route: Route, phase: Phase) -> Policy {
        let config = match route {
            Route::Login | Route::Logout | Route::Reset | Route::Verify => return Policy::NEVER,
            // What a reload has taken out is served without being kept until the process begins anew.
            Route::Further(further) => match self.routes.iter().find(|route| route.is_source_of(further)) {
                Some(route) => &route.freshness(),
                None => return Policy::NEVER,
            },
            Route::Organization => &self.cache.organization,
            Route::Questions => &self.cache.questions,
            Route::Surveys => &self.cache.surveys,
            Route::QueueSummary => &self.cache.queue_summary,
            Route::QueueActivity => &self.cache.queue_activity,
            Route::QueuePerformance => {
                let config = &self.cache.queue_performance;
                let ttl = match phase {
                    Phase::Open => config.ttl,
                    Phase::Closed => config.closed_ttl,
                    Phase::Settled => config.settled_ttl,
                };
                return Policy {
                    ttl,
                    stale_while_revalidate: config.stale_while_revalidate,
                    stale_if_error: config.stale_if_error,
                    stretches: true,
                };
            }
        };
        let FreshnessConfig { ttl, stale_while_revalidate, stale_if_error } = *config;
        Policy { ttl, stale_while_revalidate, stale_if_error, stretches: true }
    }

    /// How long it is remembered that something is not there.
    pub fn negative_ttl(&self) -> std::time::Duration {
        self.cache.negative_ttl
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_open_then_closed_then_settled() {
        let policies = Policies::new(&Config::default());
        let end = "2026-11-01T10:00:00Z".parse().unwrap();
        for (now, phase, ttl) in [
            ("2026-11-01T09:30:00Z", Phase::Open, 30),
            ("2026-11-01T10:30:00Z", Phase::Open, 30),
            ("2026-11-01T10:30:01Z", Phase::Closed, 600),
            ("2026-11-03T10:00:00Z", Phase::Closed, 600),
            ("2026-11-03T10:00:01Z", Phase::Settled, 21_600),
        ] {
            let found = policies.phase(end, now.parse().unwrap());
            assert_eq!(found, phase, "{now}");
            let policy = policies.of(Route::QueuePerformance, found);
            assert_eq!(policy.ttl.as_secs(), ttl, "{now}");
        }
    }
}
