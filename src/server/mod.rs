//! The running process: the only place where the parts are put together, what listens, and how it ends.

mod connection;
mod gateway;
mod listener;
mod operate;
mod reload;

pub use gateway::{Bound, Drained, Gateway, StartError};
pub use reload::{Refused, Reloader};
