//! The gateway as its callers meet it: the real router on real sockets, against the simulated vendor, with the
//! hours in the test's hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, unreachable_pub)]

mod admin;
mod bystanders;
mod callers;
mod command_line;
mod counts;
mod dashboard;
mod docs;
mod doubled_rows;
mod envelopes;
mod fault_catalogue;
mod freshness;
mod further;
mod handover;
mod harness;
mod http2;
mod isolation;
mod lifecycle;
mod limits;
mod login;
mod metrics;
mod mixed_answers;
mod openapi;
mod operators;
mod own_password;
mod panics;
mod paths;
mod problems;
mod program;
mod queue_parts;
mod real_log;
mod recovery;
mod reference;
mod refused_ids;
mod reload;
mod reload_file;
mod series;
mod service_manager;
mod sessions;
mod slow_clients;
mod smoke;
mod smuggling;
mod strangers;
mod stretch;
mod targets;
mod tls;
mod tokens;
#[cfg(feature = "otlp")]
mod traces;
mod unix_socket;
mod upstream_gate;
mod validation;
mod values;
mod vendor_faults;
mod vendor_tls;
