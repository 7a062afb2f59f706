//! One file a resource. A handler parses, checks the caller's right, and answers; nothing else.

pub(super) mod auth;
pub(super) mod health;
pub(super) mod organization;
pub(super) mod questions;
pub(super) mod queues;
mod serve;
pub(super) mod surveys;
