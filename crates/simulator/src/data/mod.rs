//! The vendor's data: pure functions of the seed, the time and the requested ids.

pub(crate) mod organization;
pub(crate) mod people;
pub(crate) mod performance;
pub(crate) mod questions;
pub(crate) mod queues;
pub(crate) mod runtime;
pub(crate) mod surveys;
