//! Everything that knows axum. `router` is the one table of routes, `stack` what is around them, each
//! route's handlers stand in `routes`, `openapi` and `docs` tell programs and people what is served, and `problem` turns every error into RFC 9457.

mod access_log;
mod admit;
mod app;
mod cache_control;
mod cache_headers;
mod certificate_validity;
mod client_address;
mod code;
mod concerns;
mod credential;
mod docs;
mod extract;
mod headline;
mod history;
mod host;
mod known;
mod openapi;
mod problem;
#[cfg(any(test, fuzzing))]
mod properties;
mod recent_errors;
mod request_id;
mod router;
mod routes;
mod stack;
mod status;
mod text;
mod trace_context;

pub use app::{App, Lifecycle, Peer};
pub use certificate_validity::CertificateValidity;
pub(crate) use host::{NO_HOST, names_its_host};
#[cfg(any(test, fuzzing))]
pub(crate) use properties::caller_headers;
pub use recent_errors::RecentError;
pub(crate) use request_id::request_id;
pub use routes::explain::explain;
pub use routes::further::custom_routes;
#[cfg(any(test, fuzzing))]
pub(crate) use routes::properties::caller_request;
pub use stack::answer;
pub use status::Status;
