use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::{HumanDuration, Size, validator::Validator};

/// `[cache]`: how much is kept, and how long the answers of each route are good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CacheConfig {
    /// The memory that kept answers may take, in bytes.
    pub capacity: Size,
    /// How long it is remembered that the vendor has no row for a queue, or refuses it.
    #[serde(with = "HumanDuration")]
    pub negative_ttl: Duration,
    /// `GET /queries/organization`.
    #[serde(deserialize_with = "organization")]
    #[schemars(with = "FreshnessPatch")]
    pub organization: FreshnessConfig,
    /// `GET /survey/queries/questions/{companyId}`.
    #[serde(deserialize_with = "questions")]
    #[schemars(with = "FreshnessPatch")]
    pub questions: FreshnessConfig,
    /// `POST /survey/queries/surveys`: personal data, by default not kept.
    #[serde(deserialize_with = "surveys")]
    #[schemars(with = "FreshnessPatch")]
    pub surveys: FreshnessConfig,
    /// `POST /analytics/runtime/queues/summary`.
    #[serde(deserialize_with = "live")]
    #[schemars(with = "FreshnessPatch")]
    pub queue_summary: FreshnessConfig,
    /// `POST /analytics/runtime/queues/activity`.
    #[serde(deserialize_with = "live")]
    #[schemars(with = "FreshnessPatch")]
    pub queue_activity: FreshnessConfig,
    /// `POST /analytics/queues/performance`.
    pub queue_performance: PerformanceFreshness,
}

/// How long the answers of one route are good, counted from when the vendor call began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FreshnessConfig {
    /// How long an answer is fresh; zero: it is not kept.
    #[serde(with = "HumanDuration")]
    pub ttl: Duration,
    /// How long after that it is served at once while it is refreshed.
    #[serde(with = "HumanDuration")]
    pub stale_while_revalidate: Duration,
    /// How long after `ttl` it may stand in when the vendor fails.
    #[serde(with = "HumanDuration")]
    pub stale_if_error: Duration,
}

/// How long queue performance is good: the longer ago its interval ended, the less its figures change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PerformanceFreshness {
    /// How long an answer is fresh while its interval is open or has ended less than `closed_after` ago.
    #[serde(with = "HumanDuration")]
    pub ttl: Duration,
    /// How long after that it is served at once while it is refreshed.
    #[serde(with = "HumanDuration")]
    pub stale_while_revalidate: Duration,
    /// How long after ceasing to be fresh it may stand in when the vendor fails.
    #[serde(with = "HumanDuration")]
    pub stale_if_error: Duration,
    /// How long after its end an interval counts as closed.
    #[serde(with = "HumanDuration")]
    pub closed_after: Duration,
    /// How long an answer about a closed interval is fresh.
    #[serde(with = "HumanDuration")]
    pub closed_ttl: Duration,
    /// How long after its end an interval counts as settled.
    #[serde(with = "HumanDuration")]
    pub settled_after: Duration,
    /// How long an answer about a settled interval is fresh.
    #[serde(with = "HumanDuration")]
    pub settled_ttl: Duration,
}

/// What a file says of one route: the rest keeps that route's own defaults.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Freshness")]
struct FreshnessPatch {
    /// How long an answer is fresh; zero: it is not kept.
    ttl: Option<Text>,
    /// How long after that it is served at once while it is refreshed.
    stale_while_revalidate: Option<Text>,
    /// How long after `ttl` it may stand in when the vendor fails.
    stale_if_error: Option<Text>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
struct Text(#[serde(with = "HumanDuration")] Duration);

impl FreshnessConfig {
    const fn seconds(ttl: u64, stale_while_revalidate: u64, stale_if_error: u64) -> Self {
        Self {
            ttl: Duration::from_secs(ttl),
            stale_while_revalidate: Duration::from_secs(stale_while_revalidate),
            stale_if_error: Duration::from_secs(stale_if_error),
        }
    }

    fn patched<'de, D: Deserializer<'de>>(self, deserializer: D) -> Result<Self, D::Error> {
        let patch = FreshnessPatch::deserialize(deserializer)?;
        let or = |text: Option<Text>, shipped| text.map_or(shipped, |text| text.0);
        Ok(Self {
            ttl: or(patch.ttl, self.ttl),
            stale_while_revalidate: or(patch.stale_while_revalidate, self.stale_while_revalidate),
            stale_if_error: or(patch.stale_if_error, self.stale_if_error),
        })
    }

    fn validate(&self, validator: &mut Validator<'_>) {
        never_stale_without_ttl(validator, self.ttl.is_zero(), self.stale_while_revalidate, self.stale_if_error);
    }
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const ORGANIZATION: FreshnessConfig = FreshnessConfig::seconds(10 * MINUTE, HOUR, 24 * HOUR);
const QUESTIONS: FreshnessConfig = FreshnessConfig::seconds(HOUR, 6 * HOUR, 24 * HOUR);
const SURVEYS: FreshnessConfig = FreshnessConfig::seconds(0, 0, 0);
const LIVE: FreshnessConfig = FreshnessConfig::seconds(3, 0, 30);

fn organization<'de, D: Deserializer<'de>>(deserializer: D) -> Result<FreshnessConfig, D::Error> {
    ORGANIZATION.patched(deserializer)
}

fn questions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<FreshnessConfig, D::Error> {
    QUESTIONS.patched(deserializer)
}

fn surveys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<FreshnessConfig, D::Error> {
    SURVEYS.patched(deserializer)
}

fn live<'de, D: Deserializer<'de>>(deserializer: D) -> Result<FreshnessConfig, D::Error> {
    LIVE.patched(deserializer)
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            capacity: Size::from_mib(64),
            negative_ttl: Duration::from_secs(30),
            organization: ORGANIZATION,
            questions: QUESTIONS,
            surveys: SURVEYS,
            queue_summary: LIVE,
            queue_activity: LIVE,
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

impl PerformanceFreshness {
    fn validate(&self, validator: &mut Validator<'_>) {
        let never_kept = self.ttl.is_zero() && self.closed_ttl.is_zero() && self.settled_ttl.is_zero();
        never_stale_without_ttl(validator, never_kept, self.stale_while_revalidate, self.stale_if_error);
        let in_order = self.closed_after <= self.settled_after;
        let reason = "closed_after is longer than settled_after, but an interval is closed before it is settled";
        let remedy = "shorten closed_after or lengthen settled_after";
        validator.require_all(in_order, &["closed_after", "settled_after"], reason, remedy);
    }
}

impl CacheConfig {
    pub(super) fn validate(&self, validator: &mut Validator<'_>) {
        super::no_zero_durations(validator, &[("negative_ttl", self.negative_ttl)]);
        validator.require(self.capacity.bytes() > 0, "capacity", "may not be zero", "write a size, as in \"64 MiB\"");
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

/// What is not kept cannot be served stale.
pub(super) fn never_stale_without_ttl(
    validator: &mut Validator<'_>,
    never_kept: bool,
    revalidate: Duration,
    if_error: Duration,
) {
    for (name, stale) in [("stale_while_revalidate", revalidate), ("stale_if_error", if_error)] {
        let reason = format!("a ttl of zero keeps nothing, so there is nothing for {name} to serve");
        let remedy = format!("set {name} = \"0s\" too, or a ttl above zero");
        validator.require_all(!never_kept || stale.is_zero(), &[name, "ttl"], &reason, &remedy);
    }
}
