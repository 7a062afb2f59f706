//! The gateway as its callers meet it: the real router on real sockets, against the simulated vendor, with the
//! hours in the test's hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, unreachable_pub)]

mod admin;
mod callers;
mod fault_catalogue;
mod freshness;
mod harness;
mod isolation;
mod lifecycle;
mod limits;
mod login;
mod metrics;
mod own_password;
mod paths;
mod problems;
mod queue_parts;
mod recovery;
mod reference;
mod reload;
mod reload_file;
mod sessions;
mod smoke;
mod stretch;
mod validation;
mod values;
mod vendor_faults;
mod vendor_tls;
