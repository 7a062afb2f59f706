//! What is told of the running process. All events of note stand in `events`, all metrics in `metrics`, start-up in `start`.

pub mod events;
mod json_lines;
pub mod metrics;
mod sink;
mod start;

pub use metrics::Metrics;
pub use sink::LogWriter;
pub use start::{StartError, start};
