//! Where the cache meets the vendor: held and good enough, or one fetch for all who wait, or what may be
//! served stale.

mod assemble;
mod batch;
mod batch_task;
mod batcher;
mod bisect;
mod demand;
mod explain;
mod figures;
mod ids;
mod keyed_permits;
mod lookup;
mod own_calls;
mod part;
mod parts;
mod policies;
mod prefetch;
mod prepared_query;
#[cfg(any(test, fuzzing))]
mod properties;
mod purges;
mod readiness;
mod rejected_set;
mod rows;
mod served;
mod together;
mod upstream_fetch;
mod waiting;
mod whole_mode;

pub use batcher::{Full, Lost};
pub use demand::Demand;
pub use explain::{Explained, HotQueue, HotQueues};
pub use figures::{QueueFigures, Watched};
pub use parts::{Held, Parts};
pub use policies::Policies;
pub use prepared_query::PreparedQuery;
#[cfg(any(test, fuzzing))]
pub(crate) use properties::vendor_answer;
pub use purges::Purge;
pub use readiness::Readiness;
pub use served::{Failure, FetchError, Forwarded, Found, Served, Tally};
