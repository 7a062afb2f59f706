//! Rate limits, by caller and by address, and the in-flight limit. Knows nothing of HTTP.

mod auth_failures;
mod caller_limits;
mod in_flight;

pub use auth_failures::AuthFailures;
pub use caller_limits::{CallerLimits, Quota, RateLimitDecision};
pub use in_flight::{InFlightLimit, InFlightPermit};
