use std::{num::NonZeroU32, time::Duration};

use governor::Quota;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HumanDuration, validator::Validator};

const TEN_YEARS: f64 = 10.0 * 365.0 * 86_400.0;

/// So many requests in so long a time, and how many of them may come at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Requests that are free again after `per`.
    pub requests: NonZeroU32,
    /// The time in which `requests` are made free. There is no default: a rate without its time is read wrongly.
    #[serde(with = "HumanDuration")]
    pub per: Duration,
    /// Requests that may come at once after a pause; left out, as many as `requests`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<NonZeroU32>,
}

impl RateLimit {
    /// Requests that may come at once: `burst`, or `requests` where it is left out.
    pub fn burst(&self) -> NonZeroU32 {
        self.burst.unwrap_or(self.requests)
    }

    /// The limit as GCRA holds it: one request more each `per / requests`, `burst` of them at most at once.
    pub fn quota(&self) -> Quota {
        // Only a period of zero is refused, and that the settings' check refuses first.
        let quota = Quota::with_period(self.per / self.requests.get()).unwrap_or(Quota::per_second(self.requests));
        quota.allow_burst(self.burst())
    }

    pub(super) fn default_for(requests: u32, per: Duration, burst: u32) -> Self {
        let requests = NonZeroU32::new(requests).unwrap_or(NonZeroU32::MIN);
        Self { requests, per, burst: NonZeroU32::new(burst) }
    }

    pub(super) fn validate(&self, validator: &mut Validator<'_>) {
        let remedy = "write the time in which the requests are made free, as in per = \"1s\"";
        validator.require(!self.per.is_zero(), "per", "may not be zero", remedy);
        let countable = self.per.is_zero() || self.per.as_nanos() >= u128::from(self.requests.get());
        let reason = "is more than one request a nanosecond";
        validator.require_all(countable, &["requests", "per"], reason, "ask for fewer requests or a longer `per`");
        let whole_again = self.per.as_secs_f64() * f64::from(self.burst().get()) / f64::from(self.requests.get());
        let reason = "takes more than ten years until a spent burst is whole again";
        validator.require_all(
            whole_again < TEN_YEARS,
            &["burst", "per"],
            reason,
            "ask for a smaller burst or a shorter `per`",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_burst_is_the_requests_when_left_out() {
        let rate = RateLimit::default_for(20, Duration::from_secs(1), 0);
        assert_eq!(rate.burst().get(), 20);
        assert_eq!(RateLimit::default_for(20, Duration::from_secs(1), 40).burst().get(), 40);
    }
}
