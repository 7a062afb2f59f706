//! One file a resource. A handler parses, checks the caller's right, and answers; nothing else.

pub(super) mod auth;
mod cached;
pub(super) mod custom;
pub(super) mod docs;
pub(super) mod explain;
pub(super) mod health;
pub(super) mod openapi;
pub(super) mod organization;
#[cfg(any(test, fuzzing))]
pub(super) mod properties;
pub(super) mod questions;
pub(super) mod queues;
pub(super) mod surveys;

/// What the reference says of a field that several routes have.
const EXTENDED: &str = "Whether the answer has more details.";
