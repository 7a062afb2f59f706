//! Where the cache meets the vendor: held and good enough, or one fetch for all who wait, or what may be
//! served stale.

mod documents;
mod policies;
mod readiness;
mod served;

pub use documents::Documents;
pub use policies::Policies;
pub use readiness::Readiness;
pub use served::{Failure, FetchError, Forwarded, Found, Served};
