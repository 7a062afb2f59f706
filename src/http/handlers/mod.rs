//! One file a resource. A handler parses, checks the caller's right, and answers; nothing else.

pub(crate) mod auth;
pub(crate) mod cached;
pub(crate) mod custom;
pub(crate) mod docs;
pub(crate) mod health;
pub(crate) mod openapi;
pub(crate) mod organization;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
pub(crate) mod questions;
pub(crate) mod queues;
pub(crate) mod surveys;

/// What the reference says of a field that several routes have.
const EXTENDED: &str = "Whether the answer has more details.";
