//! The public listener: routes, middleware, handlers and error documents. `router` has every route, `middleware` what is
//! around them, `handlers` what they do, `openapi` and `docs` their description, and `problem` the errors (RFC 9457).

mod cache_control;
mod cache_headers;
mod client_address;
mod concerns;
mod config_snapshot;
mod context;
mod credential;
mod docs;
mod error_code;
mod extract;
mod handlers;
mod headline;
mod history;
mod middleware;
mod openapi;
mod problem;
#[cfg(any(test, fuzzing))]
mod properties;
mod recent_errors;
mod route_table;
mod router;
mod state;
mod static_asset;
mod status;

pub use context::HttpService;
pub use handlers::explain::explain;
#[cfg(any(test, fuzzing))]
pub(crate) use handlers::properties::caller_request;
pub use middleware::{admin_service, service};
#[cfg(any(test, fuzzing))]
pub(crate) use properties::caller_headers;
pub use recent_errors::RecentError;
pub use state::{AppState, ClientInfo, Lifecycle};
pub use status::Status;
