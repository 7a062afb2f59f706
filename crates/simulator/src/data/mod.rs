//! What the vendor knows: pure functions of the seed, the time and the ids asked for.

pub(crate) mod organization;
pub(crate) mod people;
pub(crate) mod performance;
pub(crate) mod questions;
pub(crate) mod queues;
pub(crate) mod runtime;
pub(crate) mod surveys;

/// A whole number as the functions of chance take it; negative ones (times before 1970) count as 0.
pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// The other way round; what does not fit is the largest number.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
