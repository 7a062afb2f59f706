//! The public listener: routes, middleware, handlers and error documents. `router` has every route, `middleware` what is
//! around them, `handlers` what they do, `openapi` and `docs` their description, and `problem` the errors (RFC 9457).

mod cache_control;
mod cache_headers;
mod certificate_validity;
mod client_address;
mod config_snapshot;
pub(crate) mod context;
mod credential;
mod docs;
pub(crate) mod error_code;
pub(crate) mod extract;
pub(crate) mod handlers;
pub(crate) mod middleware;
mod openapi;
pub(crate) mod problem;
#[cfg(any(test, fuzzing))]
mod properties;
pub(crate) mod recent_errors;
pub(crate) mod route_table;
mod router;
mod settings;
pub(crate) mod state;
mod static_asset;
pub(crate) mod warnings;

pub use certificate_validity::{CertificateValidity, ValidityWarning};
pub use context::HttpService;
pub use handlers::custom::custom_routes;
#[cfg(any(test, fuzzing))]
pub(crate) use handlers::properties::caller_request;
#[cfg(any(test, fuzzing))]
pub(crate) use properties::caller_headers;
pub use state::{AppState, ClientInfo, Lifecycle};
pub use warnings::Warning;

use std::sync::Arc;

/// Returns the service of the public listener.
pub fn service(state: &Arc<AppState>) -> impl HttpService + use<> {
    middleware::around(state, router::router(state))
}
