//! Talking to Wesal. Ignorant of caching: one question in, one complete and successful answer out, or the
//! reason why not.
//!
//! `client` makes one call: login, gate, try, retry. `gate` admits it: connection slots, vendor pauses, breaker and call
//! budget. `target_backoff` remembers targets that refuse our credentials. `wire` and `words` are
//! the one place that understands the vendor's answers (pure), `login` holds the service login,
//! `transport` is the only code that knows the HTTP client.

mod account_call;
mod breaker;
mod budget;
mod ca_bundle;
mod client;
mod credentials;
mod decoder;
mod error;
mod failure;
mod gate;
mod login;
mod own_password;
mod password_file;
#[cfg(any(test, fuzzing))]
mod properties;
mod reload;
mod retry;
mod retry_after;
mod secrets;
mod status;
mod streak;
mod target_backoff;
mod transport;
mod vendor;
mod verdict;
mod wire;
mod words;

pub use account_call::AccountRequest;
pub use breaker::BreakerState;
pub use ca_bundle::read_ca_bundle;
pub use client::Wesal;
pub use error::{StartError, UpstreamError};
pub use login::{LoginStanding, LoginState};
pub use own_password::NotChanged;
pub use password_file::left_beside;
#[cfg(any(test, fuzzing))]
pub(crate) use properties::answer_means;
pub use status::{BarredTold, BreakerTold, BudgetTold, CallsTold, FailingTold, LoginTold, VendorStanding};
pub use vendor::{Answer, Budget, Called, Effort, TargetState, Vendor, VendorCall};
pub use wire::{Rejection, VendorCode};
