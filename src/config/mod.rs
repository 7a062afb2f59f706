//! The settings: one TOML file, environment variables that override it, and files with secrets, read into a validated
//! [`Config`]. Every error is reported in one run, with its place, its reason and a remedy.
//!
//! `settings` and one file per section hold the data: names, types, bounds, defaults and `validate`. `document` keeps what is
//! written and where, `structure` holds it against the schema of the settings, `validator` collects what the sections
//! refuse, and `load` runs them in order.

mod admin;
mod breaker;
mod cache;
mod callers;
mod diff;
mod document;
mod duration;
mod env;
mod error;
mod file;
mod key_hash;
mod limits;
mod listen;
mod load;
mod log_filter;
mod login;
mod rate;
mod routes;
mod secret;
mod secret_files;
mod server;
mod sessions;
mod settings;
mod size;
mod source;
mod structure;
mod telemetry;
mod upstream;
mod url;
mod validator;

pub use admin::AdminConfig;
pub use breaker::BreakerConfig;
pub use cache::{CacheConfig, FreshnessConfig, PerformanceFreshness};
pub use callers::CallerConfig;
pub use diff::is_reloadable;
pub use duration::HumanDuration;
pub use env::Environment;
pub use error::{ConfigError, ConfigErrors, Origin};
pub use key_hash::{InvalidKeyHash, KeyHash};
pub use limits::LimitsConfig;
pub use listen::{InvalidListenAddress, ListenAddress, passed_socket_names};
pub use load::{FileChecks, Loaded, load, parse};
pub use log_filter::{InvalidLogFilter, LogFilter};
pub use login::LoginConfig;
pub use rate::RateLimit;
pub use routes::{RouteConfig, RouteMethod};
pub use secret::Secret;
pub use server::{ServerConfig, TlsConfig};
pub use sessions::SessionsConfig;
pub use settings::Config;
pub use size::Size;
pub use source::{Fingerprint, Source};
pub use structure::schema;
pub use telemetry::{LogFormat, QueueGauges, TelemetryConfig};
pub use upstream::UpstreamConfig;
pub use validator::Validator;
