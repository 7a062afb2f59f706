//! What is told of the running process. All events of note stand in `events`, start-up in `start`.

pub mod events;
mod start;

pub use start::{InvalidFilter, start};
