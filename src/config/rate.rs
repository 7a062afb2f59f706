use std::{num::NonZeroU32, time::Duration};

use governor::Quota;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{duration::HumanDuration, validator::Validator};

const TEN_YEARS: f64 = 10.0 * 365.0 * 86_400.0;

/// A rate: requests per time, and how many of them may come together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Requests per `per`.
    pub requests: NonZeroU32,
    /// Time for `requests`. It is mandatory: a rate without its time is misread.
    #[serde(with = "HumanDuration")]
    pub per: Duration,
    /// Requests that may come together after a pause; left out: as many as `requests`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<NonZeroU32>,
}

impl RateLimit {
    /// Requests that may come together: `burst`, else `requests`.
    pub fn burst(&self) -> NonZeroU32 {
        self.burst.unwrap_or(self.requests)
    }

    /// The limit in terms of GCRA: one more request each `per / requests`, up to `burst`.
    pub fn quota(&self) -> Quota {
        // Only a period of zero is refused, which `validate` refuses first.
        let quota = Quota::with_period(self.per / self.requests.get()).unwrap_or(Quota::per_second(self.requests));
        quota.allow_burst(self.burst())
    }

    pub(super) fn default_for(requests: u32, per: Duration, burst: u32) -> Self {
        let requests = NonZeroU32::new(requests).unwrap_or(NonZeroU32::MIN);
        Self { requests, per, burst: NonZeroU32::new(burst) }
    }

    pub(super) fn validate(&self, validator: &mut Validator<'_, '_>) {
        validator.require_nonzero(&[("per", self.per.is_zero())]);
        let is_countable = self.per.is_zero() || self.per.as_nanos() >= u128::from(self.requests.get());
        let remedy = "allow fewer requests or a longer `per`";
        validator.require_all(is_countable, &["requests", "per"], "is more than one request per nanosecond", remedy);
        let refill = self.per.as_secs_f64() * f64::from(self.burst().get()) / f64::from(self.requests.get());
        let reason = "a spent burst takes more than ten years to refill";
        let remedy = "allow a smaller burst or a shorter `per`";
        validator.require_all(refill < TEN_YEARS, &["burst", "per"], reason, remedy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_defaults_to_requests() {
        let rate = RateLimit::default_for(20, Duration::from_secs(1), 0);
        assert_eq!(rate.burst().get(), 20);
        assert_eq!(RateLimit::default_for(20, Duration::from_secs(1), 40).burst().get(), 40);
    }
}
