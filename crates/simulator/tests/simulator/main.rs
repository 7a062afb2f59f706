//! The simulated vendor alone, held to the reference.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod faults;
mod reference;
