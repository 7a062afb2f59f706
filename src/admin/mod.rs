//! The admin listener: the dashboard, the status, metrics and actions (`docs/admin.md`). `router` has every route, `auth`
//! decides who may use them.

mod actions;
mod assets;
mod auth;
mod event_stream;
mod explain;
mod health;
mod metrics;
mod router;
mod state;
mod status;
mod traffic_history;

pub use router::service;
pub use state::{AdminState, ConfigControl, ReloadRejected};
