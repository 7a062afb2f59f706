//! What is told of the running process. All events of note stand in `events`, all metrics in `metrics`, start-up in `start`.

pub mod events;
pub mod metrics;
mod start;

pub use metrics::Metrics;
pub use start::{InvalidFilter, start};
