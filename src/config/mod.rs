//! The settings: one file, what the environment lays over it, and the files with secrets. They are read once into a
//! checked [`Config`]; whatever is wrong with them is told all at once, with its place and its remedy.
//!
//! One file a section: its struct, its one `Default`, its own `validate`. `tree`, `reader` and `misfit` turn
//! text into those structs without losing the line a value stands on; nothing there knows a single setting.

mod admin;
mod breaker;
mod cache;
mod callers;
mod diff;
mod duration;
mod effective;
mod env;
mod error;
mod key_hash;
mod limits;
mod lines;
mod listen;
mod load;
mod log_filter;
mod login;
mod misfit;
mod rate;
mod reader;
mod routes;
mod schema;
mod secret;
mod secret_files;
mod server;
mod sessions;
mod size;
mod source;
mod telemetry;
#[cfg(test)]
mod tests;
mod tree;
mod upstream;
mod url;
mod validator;

use std::{num::NonZeroUsize, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use admin::AdminConfig;
pub use breaker::BreakerConfig;
pub use cache::{CacheConfig, FreshnessConfig, PerformanceFreshness};
pub use callers::CallerConfig;
pub use diff::is_reloadable;
pub use duration::HumanDuration;
pub use env::Environment;
pub use error::{ConfigError, ConfigErrors};
pub use key_hash::{InvalidKeyHash, KeyHash};
pub use limits::LimitsConfig;
pub use listen::{InvalidListenAddress, ListenAddress, passed_socket_names};
pub use load::{FileChecks, load, parse};
pub use log_filter::{InvalidLogFilter, LogFilter};
pub use login::LoginConfig;
pub use rate::RateLimit;
pub use routes::{RouteConfig, RouteMethod};
pub use schema::schema;
pub use secret::Secret;
pub use server::{ServerConfig, TlsConfig};
pub use sessions::SessionsConfig;
pub use size::Size;
pub use source::{Fingerprint, Source};
pub use telemetry::{LogFormat, QueueGauges, TelemetryConfig};
pub use tree::Origin;
pub use upstream::UpstreamConfig;
pub use validator::Validator;

/// All settings; the default is what the shipped `config.toml` says.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "wesal-gateway settings")]
pub struct Config {
    /// The public listener.
    pub server: ServerConfig,
    /// The listener for those who run the gateway.
    pub admin: AdminConfig,
    /// The vendor.
    pub upstream: UpstreamConfig,
    /// What is kept, and how long.
    pub cache: CacheConfig,
    /// What callers may ask for in how long a time.
    pub limits: LimitsConfig,
    /// What apps get that log in as they would at the vendor.
    pub sessions: SessionsConfig,
    /// What the gateway tells about itself.
    pub telemetry: TelemetryConfig,
    /// Who may ask.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub callers: Vec<CallerConfig>,
    /// Further routes of the vendor's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteConfig>,
}

/// Settings that hold, and what is odd about them.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings, checked.
    pub config: Config,
    /// What is allowed but hardly meant, for a human to read.
    pub warnings: Vec<String>,
}

impl Config {
    /// The vendor credentials that are not set, each with how to set it. Without them the gateway cannot log in.
    pub fn missing_credentials(&self) -> Vec<&'static str> {
        let credentials = [
            (
                &self.upstream.client_id,
                "upstream.client_id: set it, upstream.client_id_file, or WESAL_GATEWAY__UPSTREAM__CLIENT_ID",
            ),
            (&self.upstream.email, "upstream.email: set it, upstream.email_file, or WESAL_GATEWAY__UPSTREAM__EMAIL"),
            (
                &self.upstream.password,
                "upstream.password: set upstream.password_file, or WESAL_GATEWAY__UPSTREAM__PASSWORD",
            ),
        ];
        credentials.into_iter().filter(|(secret, _)| secret.is_empty()).map(|(_, how)| how).collect()
    }

    fn validate(&self, validator: &mut Validator<'_>) {
        validator.section("server", |validator| self.server.validate(validator));
        validator.section("admin", |validator| self.admin.validate(validator));
        validator.section("upstream", |validator| self.upstream.validate(validator));
        validator.section("cache", |validator| self.cache.validate(validator));
        validator.section("limits", |validator| self.limits.validate(validator));
        validator.section("sessions", |validator| self.sessions.validate(validator));
        validator.section("telemetry", |validator| self.telemetry.validate(validator));
        validator.section("callers", |validator| {
            callers::validate(&self.callers, validator);
            routes::validate_scopes(&self.callers, &self.routes, validator);
        });
        validator.section("routes", |validator| routes::validate(&self.routes, validator));
        let apart = self.admin.listen.as_ref().is_none_or(|admin| admin.conflicts_with(&self.server.listen));
        let reason = "server.listen and admin.listen are the same address";
        validator.require_all(apart, &["admin.listen", "server.listen"], reason, "give each a port of its own");
    }
}

/// A default that is known not to be zero.
fn at_least_one(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN)
}

/// Refuses zero where a time must pass.
fn no_zero_durations(validator: &mut Validator<'_>, durations: &[(&str, Duration)]) {
    for (setting, duration) in durations {
        validator.require(!duration.is_zero(), setting, "may not be zero", "write a duration above zero, as in \"5s\"");
    }
}

/// Refuses a bound on things at once that is beyond what a process can hold.
fn countable(validator: &mut Validator<'_>, setting: &str, number: NonZeroUsize) {
    validator.require(number.get() <= 1_000_000, setting, "is more than a million", "write a number up to 1000000");
}
