use std::{num::NonZeroU32, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HumanDuration, validator::Validator};

/// Calls whose outcome the breaker remembers.
const MOST_CALLS: u32 = 1000;

/// `upstream.breaker`: when a failing vendor is left alone, and for how long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerConfig {
    /// The share of failed calls that opens the breaker: above 0, at most 1.
    #[schemars(range(max = 1), extend("exclusiveMinimum" = 0))]
    pub failure_ratio: f64,
    /// Calls within the window below which nothing is concluded.
    pub min_calls: NonZeroU32,
    /// The time over which calls are counted.
    #[serde(with = "HumanDuration")]
    pub window: Duration,
    /// How long the breaker stays open before the first probe; it doubles with each failed one.
    #[serde(with = "HumanDuration")]
    pub pause: Duration,
    /// The longest that pause gets. A vendor that has come back is found again within it.
    #[serde(with = "HumanDuration")]
    pub max_pause: Duration,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            failure_ratio: 0.5,
            min_calls: NonZeroU32::new(10).unwrap_or(NonZeroU32::MIN),
            window: Duration::from_secs(10),
            pause: Duration::from_secs(5),
            max_pause: Duration::from_secs(8),
        }
    }
}

impl BreakerConfig {
    pub(super) fn validate(&self, validator: &mut Validator<'_>) {
        let share = self.failure_ratio > 0.0 && self.failure_ratio <= 1.0;
        validator.require(
            share,
            "failure_ratio",
            "is not a share of the calls",
            "write a number above 0, at most 1, as in 0.5",
        );
        let remembered = self.min_calls.get() <= MOST_CALLS;
        validator.require(remembered, "min_calls", "is more calls than are remembered", "write a number up to 1000");
        super::no_zero_durations(validator, &[("window", self.window), ("pause", self.pause)]);
        let reason = "pause is longer than max_pause";
        let remedy = "shorten pause or lengthen max_pause";
        validator.require_all(self.pause <= self.max_pause, &["pause", "max_pause"], reason, remedy);
    }
}
