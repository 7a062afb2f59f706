use std::{num::NonZeroUsize, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RateLimit, validator::Validator};

/// `[limits]`: what callers may ask for in how long a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// The rate of a caller that has none of its own.
    pub default: RateLimit,
    /// Failed authentications from one client address.
    pub auth_failures: RateLimit,
    /// Requests worked on at once; a further one is refused with 503.
    pub max_in_flight: NonZeroUsize,
    /// Queue ids in one request.
    pub max_queues_per_request: NonZeroUsize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            default: RateLimit::default_for(50, Duration::from_secs(1), 100),
            auth_failures: RateLimit::default_for(10, Duration::from_secs(60), 20),
            max_in_flight: super::at_least_one(2048),
            max_queues_per_request: super::at_least_one(500),
        }
    }
}

impl LimitsConfig {
    pub(super) fn validate(&self, validator: &mut Validator<'_>) {
        validator.section("default", |validator| self.default.validate(validator));
        validator.section("auth_failures", |validator| self.auth_failures.validate(validator));
        super::countable(validator, "max_in_flight", self.max_in_flight);
    }
}
