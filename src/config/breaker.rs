use std::{num::NonZeroU32, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{duration::HumanDuration, validator::Validator};

/// `upstream.breaker`: when calls to a failing vendor pause, and for how long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerConfig {
    /// Share of failed calls that opens the breaker: above 0, at most 1.
    #[schemars(range(max = 1), extend("exclusiveMinimum" = 0))]
    pub failure_ratio: f64,
    /// Calls in the window below which the breaker stays closed. At most 1000 are remembered.
    #[schemars(range(min = 1, max = 1000))]
    pub min_calls: NonZeroU32,
    /// Time over which calls are counted.
    #[serde(with = "HumanDuration")]
    pub window: Duration,
    /// Time from opening to the first probe. It doubles with each failed probe.
    #[serde(with = "HumanDuration")]
    pub pause: Duration,
    /// Longest such time: a vendor that has recovered is found within it.
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
    pub(super) fn validate(&self, validator: &mut Validator<'_, '_>) {
        validator.require_nonzero(&[("window", self.window.is_zero()), ("pause", self.pause.is_zero())]);
        let reason = "pause is longer than max_pause";
        let remedy = "shorten pause or lengthen max_pause";
        validator.require_all(self.pause <= self.max_pause, &["pause", "max_pause"], reason, remedy);
    }
}
