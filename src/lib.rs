//! # wesal-gateway
//!
//! A caching API gateway for the Wesal API. It mirrors the vendor's routes at one address, holds the one service login,
//! authenticates each app by its own key, answers from memory what it may, merges what it must ask, limits rates, and
//! normalizes errors.
//!
//! Five files explain the system, in this order: this one; `http/router.rs` with every route; `http/middleware/mod.rs` with
//! everything around a handler; `fetch/lookup.rs` with hit, stale or miss; `upstream/client.rs` with one vendor call.
//!
//! ## Life of a request
//! 1. [`server`] accepts the connection and bounds its sizes and times.
//! 2. [`http`]`::middleware`: request id and log event, shutdown, panics, `Host`; then, inside the router, authentication
//!    ([`auth`]), rate limit, scope and the limit on requests in flight ([`limits`]).
//! 3. The handler (`http::handlers`) validates the request into a typed [`model::Query`] (`http::extract`) and checks the
//!    caller's right to its company and queues.
//! 4. [`fetch`] looks its parts up in [`cache`]. Parts that are missing or expired are batched: while one batch of a shape is
//!    in flight, the next one gathers, and each part is fetched once for all requests that wait. A rejected batch is dissolved
//!    into its requests.
//! 5. [`upstream`] makes the vendor call: circuit breaker, vendor pause, login, call budget, retry.
//! 6. [`fetch`] caches the parts, or falls back to stale ones, and assembles the response.
//! 7. The middleware turns a problem into its document (RFC 9457) and writes the log event.
//!
//! The fields of a route are declared where they are read (`http::extract`), and `http::openapi` describes them from there; each
//! response that a test gets is compared with that description.
//!
//! ## Ranks
//! A module imports only lower ranks, never a module of its own rank, and its files import each other in no cycle;
//! `tests/architecture.rs` reads this table and checks both.
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
//! `look.css` is no module: it is the style that the pages of both listeners share (`http/docs`, `admin/dashboard`).
//! `fuzzing` and the files named `properties.rs` are the oracles of the fuzz targets; they are compiled in tests and with
//! `--cfg fuzzing` only.
//!
//! ## Invariants
//! - The vendor request is built from a [`model::Shape`] and ids alone, which are the cache key: nothing unkeyed can change a
//!   response.
//! - A fetch runs in a task of its own; no client's disconnect cancels it.
//! - Rights are checked before the cache is read.
//! - Time comes from an injected [`clock::Clock`]; nothing else reads the system's time, or sleeps.
//! - `axum` appears only in `http`, `admin` and `server`; `reqwest` only in `upstream`, and in `telemetry` for the export of
//!   traces; OpenTelemetry's messages only there. Only `telemetry` and `config` ask for the feature `otlp`. The environment is
//!   read only in `config` (and by the crates that speak to the service manager, in `server`); `rustls` is only in `server` and
//!   `upstream`; `jsonwebtoken` only in `auth`.
//! - Pure files (freshness, breaker, retry, wire, words, the login's state machine) have no `async` and no clock.
//! - A configuration is replaced as a whole while requests run (`server::reload`); all rights of a request come from one
//!   configuration. A fetch that began under other policies, or before a purge, is not cached as fresh.
//! - No secret type has `Debug`, `Display` or `Serialize`. No `unwrap`, `expect`, indexing or `panic!` outside tests.
//! - Every queue, map, body, wait and label set has a bound; every spawned task has an owner and an end.
//!
//! ## Glossary
//! *Vendor*: the Wesal API. *Caller*: an app with a key. *Login*: the gateway's at the vendor; *session*: a caller's at the
//! gateway. [`auth::ApiKey`] and [`model::PartKey`]: never a bare "key". *Custom route*: one that the vendor's reference does
//! not have and the configuration names (`Further` in the code). *Queue*: the vendor's. *Part*: the smallest cached unit, a
//! document or the row of one queue. *Shape*: a query without its queue ids. *Batch*: parts of one shape that are fetched together.
//! *Rejected*: the vendor says that the request itself is wrong. *Target*: the company, queue or path that a vendor call is for.
//! *Refresh-ahead*: fetching a hot part before it expires. *Stale*: past `ttl`, served while it is revalidated or because the
//! vendor fails.

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
