use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{duration::HumanDuration, size::Size, validator::Validator};

/// `[cache]`: the size of the cache, and the freshness of each route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CacheConfig {
    /// Memory of the cache, keys and bookkeeping included.
    pub capacity: Size,
    /// Time for which an absent or rejected queue is remembered.
    #[serde(with = "HumanDuration")]
    pub negative_ttl: Duration,
    /// `GET /queries/organization`.
    pub organization: FreshnessConfig,
    /// `GET /survey/queries/questions/{companyId}`.
    pub questions: FreshnessConfig,
    /// `POST /survey/queries/surveys`: personal data, by default not cached.
    pub surveys: FreshnessConfig,
    /// `POST /analytics/runtime/queues/summary`.
    pub queue_summary: FreshnessConfig,
    /// `POST /analytics/runtime/queues/activity`.
    pub queue_activity: FreshnessConfig,
    /// `POST /analytics/queues/performance`.
    pub queue_performance: PerformanceFreshness,
}

/// The freshness of one route, counted from the moment when its vendor call began.
// What a file leaves out is the route's own default, which the loader adds: there is none of this type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Freshness", extend("required" = []))]
pub struct FreshnessConfig {
    /// Time for which an answer is fresh; zero: it is not cached.
    #[serde(with = "HumanDuration")]
    pub ttl: Duration,
    /// Time after `ttl` in which it is served immediately while it is refreshed.
    #[serde(with = "HumanDuration")]
    pub stale_while_revalidate: Duration,
    /// Time after `ttl` in which it is served if the vendor fails.
    #[serde(with = "HumanDuration")]
    pub stale_if_error: Duration,
}

/// The freshness of queue performance: the longer ago its interval ended, the less its values change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PerformanceFreshness {
    /// Time for which an answer is fresh until its interval is closed.
    #[serde(with = "HumanDuration")]
    pub ttl: Duration,
    /// Time after the end of freshness in which it is served immediately while it is refreshed.
    #[serde(with = "HumanDuration")]
    pub stale_while_revalidate: Duration,
    /// Time after the end of freshness in which it is served if the vendor fails.
    #[serde(with = "HumanDuration")]
    pub stale_if_error: Duration,
    /// Time after the end of an interval from which it is closed.
    #[serde(with = "HumanDuration")]
    pub closed_after: Duration,
    /// Time for which an answer about a closed interval is fresh.
    #[serde(with = "HumanDuration")]
    pub closed_ttl: Duration,
    /// Time after the end of an interval from which it is settled.
    #[serde(with = "HumanDuration")]
    pub settled_after: Duration,
    /// Time for which an answer about a settled interval is fresh.
    #[serde(with = "HumanDuration")]
    pub settled_ttl: Duration,
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

impl Default for CacheConfig {
    fn default() -> Self {
        let seconds = |ttl, stale_while_revalidate, stale_if_error| FreshnessConfig {
            ttl: Duration::from_secs(ttl),
            stale_while_revalidate: Duration::from_secs(stale_while_revalidate),
            stale_if_error: Duration::from_secs(stale_if_error),
        };
        Self {
            capacity: Size::from_mib(64),
            negative_ttl: Duration::from_secs(30),
            organization: seconds(10 * MINUTE, HOUR, 24 * HOUR),
            questions: seconds(HOUR, 6 * HOUR, 24 * HOUR),
            surveys: seconds(0, 0, 0),
            queue_summary: seconds(3, 0, 30),
            queue_activity: seconds(3, 0, 30),
            queue_performance: PerformanceFreshness::default(),
        }
    }
}

impl Default for PerformanceFreshness {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(30),
            stale_while_revalidate: Duration::from_secs(30),
            stale_if_error: Duration::from_secs(10 * MINUTE),
            closed_after: Duration::from_secs(30 * MINUTE),
            closed_ttl: Duration::from_secs(10 * MINUTE),
            settled_after: Duration::from_secs(48 * HOUR),
            settled_ttl: Duration::from_secs(6 * HOUR),
        }
    }
}

impl FreshnessConfig {
    /// Refuses stale windows of answers that are not cached.
    pub(super) fn validate(&self, validator: &mut Validator<'_, '_>) {
        require_ttl_for_stale(validator, self.ttl.is_zero(), self.stale_while_revalidate, self.stale_if_error);
    }
}

impl PerformanceFreshness {
    fn validate(&self, validator: &mut Validator<'_, '_>) {
        let is_never_cached = self.ttl.is_zero() && self.closed_ttl.is_zero() && self.settled_ttl.is_zero();
        require_ttl_for_stale(validator, is_never_cached, self.stale_while_revalidate, self.stale_if_error);
        let is_ordered = self.closed_after <= self.settled_after;
        let reason = "closed_after is longer than settled_after";
        let remedy = "shorten closed_after or lengthen settled_after";
        validator.require_all(is_ordered, &["closed_after", "settled_after"], reason, remedy);
    }
}

impl CacheConfig {
    pub(super) fn validate(&self, validator: &mut Validator<'_, '_>) {
        validator.require_nonzero(&[
            ("negative_ttl", self.negative_ttl.is_zero()),
            ("capacity", self.capacity.bytes() == 0),
        ]);
        let routes = [
            ("organization", &self.organization),
            ("questions", &self.questions),
            ("surveys", &self.surveys),
            ("queue_summary", &self.queue_summary),
            ("queue_activity", &self.queue_activity),
        ];
        for (name, freshness) in routes {
            validator.section(name, |validator| freshness.validate(validator));
        }
        validator.section("queue_performance", |validator| self.queue_performance.validate(validator));
    }
}

fn require_ttl_for_stale(
    validator: &mut Validator<'_, '_>,
    is_never_cached: bool,
    revalidate: Duration,
    if_error: Duration,
) {
    for (name, stale) in [("stale_while_revalidate", revalidate), ("stale_if_error", if_error)] {
        let reason = format!("a ttl of zero caches nothing, so {name} has nothing to serve");
        let remedy = format!("set {name} = \"0s\" too, or a ttl above zero");
        validator.require_all(!is_never_cached || stale.is_zero(), &[name, "ttl"], &reason, &remedy);
    }
}
