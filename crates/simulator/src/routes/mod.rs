//! The handlers of the routes. Each returns the body of a success, or the refusal.

pub(crate) mod auth;
pub(crate) mod echo;
mod params;
pub(crate) mod queries;
pub(crate) mod queues;
