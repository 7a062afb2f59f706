//! # The map
//!
//! wesal-gateway is a caching API gateway for the Wesal API: it mirrors the vendor's routes, holds the one service
//! login, knows each app by its own key, answers from memory what it may, and speaks one error language.
//!
//! ## The journey of a request
//! 1. [`server`] accepts, and bounds size and time; [`http`] gives the request its id and opens its log line.
//! 2. [`auth`] identifies the caller, 3. [`limits`] counts the request: `http::middleware`.
//! 4. `http::extract` parses and validates into a typed [`model::Query`]. 5. [`auth`] checks the rights to it.
//! 6. [`fetch`] asks [`cache`]: which parts are held, and fresh enough? 7. What is not is batched: one batch of a shape in
//!    flight, the next gathering, each part fetched once for all requests that wait. A rejected call is dissolved into its
//!    requests.
//! 8. [`upstream`]: breaker, pause, login, budget, try, retry.
//! 9. [`fetch`] keeps the parts, or falls back to what may be served stale, and puts the answer together.
//! 10. [`http`] answers, or writes a problem document. 11. The log line closes with outcome and reason.
//!
//! What a route takes is declared once, where it is read (`http::extract`), and `http::openapi` describes it from there; each
//! answer that a test gets is held against that description.
//!
//! ## Ranks
//! A module imports only lower ranks, never a sibling; `tests/architecture.rs` reads this table and holds it.
//!
//! | rank | modules |
//! | --- | --- |
//! | 8 | `cli` |
//! | 7 | `server`, `fuzzing` |
//! | 6 | `admin` |
//! | 5 | `http` |
//! | 4 | `fetch` |
//! | 3 | `auth`, `limits`, `cache`, `upstream` |
//! | 2 | `telemetry` |
//! | 1 | `config` |
//! | 0 | `model`, `clock` |
//!
//! The simulated vendor is a crate of its own, `crates/simulator`: it depends on nothing of the gateway, so that a wrong
//! idea of the vendor cannot agree with itself. Only `cli` (feature `sandbox`), tests and benches use it.
//!
//! `look.css` is no module: it is what the pages of both listeners share (`http/docs`, `admin/dashboard`).
//!
//! `fuzzing`, the door for the fuzz targets, is there in tests and with `--cfg fuzzing` only, as are the files named
//! `properties.rs`: what must hold of bytes that others wrote, beside the code that reads them.
//!
//! ## Invariants
//! - The vendor request is built from a [`model::Shape`] and ids alone, which are what its answer is kept under: what is not in the key cannot change an answer.
//! - A fetch is nobody's request: it runs in a task of its own, and no caller's leaving cancels it.
//! - Rights are checked before the cache is read.
//! - Time comes from a [`clock::Clock`] that is handed in; nothing else asks the system, or sleeps.
//! - `axum` appears only in `http`, `admin` and `server`; `reqwest` only in `upstream`, and in `telemetry` where
//!   traces leave; OpenTelemetry's messages only there. Whether this build has the feature `otlp` is asked only in `telemetry`
//!   and `config`. The environment is read only in `config` (and by the crates that speak to the service manager, in
//!   `server`); `rustls` is only in `server` and `upstream`; `jsonwebtoken` only in `auth`.
//! - Pure files (freshness, breaker, retry, wire, words, the login's machine) hold no `async` and no clock.
//! - A configuration is taken over whole while requests run (`server::reload`); each request takes its callers and limits
//!   once, at its start. What was worked out under other policies, or before a purge, does not hold.
//! - No secret type has `Debug`, `Display` or `Serialize`. No `unwrap`, `expect`, indexing or `panic!` in here.
//! - Every queue, map, body, wait and label set has a bound; every spawned task has an owner and an end.
//!
//! ## Words, one meaning each
//! *vendor*: the Wesal API. *caller*: an app with a key. *login*: ours with the vendor; *session*: a caller's.
//! [`auth::ApiKey`] and [`model::PartKey`]: never a bare "key". *further* route: one that the reference does not know
//! and the configuration names. *queue*: Wesal's. *part*: the smallest thing kept.
//! *shape*: all of a query but the queues' ids. *batch*: parts of one shape that are fetched together. *rejected*: the vendor
//! says that the request itself is wrong. *target*: the company, queue or path that a vendor call is for. *refresh-ahead*:
//! fetching a hot part before it expires. *stale*: always with its reason. *open*, of the breaker: tripped.

pub mod admin;
pub mod auth;
pub mod cache;
pub mod cli;
pub mod clock;
pub mod config;
pub mod fetch;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod http;
pub mod limits;
pub mod model;
pub mod server;
pub mod telemetry;
pub mod upstream;
