use std::{num::NonZeroUsize, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{rate::RateLimit, validator::Validator};

/// `[limits]`: limits on callers' requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Rate of a caller without its own.
    pub default: RateLimit,
    /// Rate of failed authentications from one client address.
    pub auth_failures: RateLimit,
    /// Requests processed concurrently; a further one is refused with 503.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_in_flight: NonZeroUsize,
    /// Queue ids in one request.
    pub max_queues_per_request: NonZeroUsize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            default: RateLimit::default_for(50, Duration::from_secs(1), 100),
            auth_failures: RateLimit::default_for(10, Duration::from_secs(60), 20),
            max_in_flight: NonZeroUsize::new(2048).unwrap_or(NonZeroUsize::MIN),
            max_queues_per_request: NonZeroUsize::new(500).unwrap_or(NonZeroUsize::MIN),
        }
    }
}

impl LimitsConfig {
    pub(super) fn validate(&self, validator: &mut Validator<'_, '_>) {
        validator.section("default", |validator| self.default.validate(validator));
        validator.section("auth_failures", |validator| self.auth_failures.validate(validator));
    }
}
