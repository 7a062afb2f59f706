//! The gateway as its callers meet it: the real router on real sockets, against the simulated vendor, with the
//! hours in the test's hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, unreachable_pub)]

mod harness;
mod paths;
mod problems;
mod reference;
mod smoke;
mod validation;
mod values;
