//! The running process: the only place where the parts are put together, what listens, and how it ends.

mod connection;
mod gateway;
mod listener;

pub use gateway::{Bound, Drained, Gateway, NoCallers, Reloader, StartError};
