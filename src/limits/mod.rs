//! How much each may ask, and when to come back. Ignorant of HTTP.

mod auth_failures;
mod caller_limits;
mod places;

pub use auth_failures::AuthFailures;
pub use caller_limits::{CallerLimits, Quota, Standing};
pub use places::{Place, Places};
