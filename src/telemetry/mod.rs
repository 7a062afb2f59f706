//! What is told of the running process. All events of note stand in `events`, all metrics in `metrics`, all spans in
//! `traces`, start-up in `start`.

mod classic;
pub mod events;
mod filter;
mod json_lines;
mod labels;
pub mod metrics;
mod outcomes;
mod present;
mod series;
mod sink;
mod start;
mod totals;
pub mod traces;
mod vitals;

pub use classic::classic;
pub use filter::{FilterError, change_log_filter, log_filter};
pub use metrics::Metrics;
pub use outcomes::{CacheResult, CallOutcome};
pub use series::Latencies;
pub use sink::{LAST_LINES, LogWriter};
pub use start::{StartError, start};
pub use totals::{CallerTotals, RouteTotals, Totals, Traffic};
pub use traces::Traces;
pub use vitals::Vitals;
