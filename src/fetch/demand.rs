use std::time::Duration;

use crate::clock::Moment;

/// What a caller demands of an answer's freshness beyond the configuration (RFC 9111, section 5.2.1). By default nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// No part older than this: `max-age`, and `no-cache` as zero.
    pub max_age: Option<Duration>,
    /// No fetch to be waited for: `only-if-cached`.
    pub only_if_cached: bool,
}

impl Demand {
    /// Whether a part that began at `began` is young enough for who asks at `now`.
    pub(super) fn takes(&self, began: Moment, now: Moment) -> bool {
        self.max_age.is_none_or(|max_age| now.since(began) <= max_age)
    }
}
