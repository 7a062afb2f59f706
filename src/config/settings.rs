use std::{fmt, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    admin::AdminConfig,
    cache::CacheConfig,
    callers::{self, CallerConfig},
    limits::LimitsConfig,
    routes::{self, RouteConfig},
    secret::Secret,
    server::ServerConfig,
    sessions::SessionsConfig,
    telemetry::TelemetryConfig,
    upstream::UpstreamConfig,
    validator::Validator,
};

/// All settings. The default is the shipped `config.toml`.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "wesal-gateway settings")]
pub struct Config {
    /// The public listener.
    pub server: ServerConfig,
    /// The admin listener.
    pub admin: AdminConfig,
    /// The vendor.
    pub upstream: UpstreamConfig,
    /// The size of the cache and the freshness of each route.
    pub cache: CacheConfig,
    /// Limits on callers' requests.
    pub limits: LimitsConfig,
    /// Sessions of callers that use the login route.
    pub sessions: SessionsConfig,
    /// Logs, metrics and traces.
    pub telemetry: TelemetryConfig,
    /// The callers and their rights.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub callers: Vec<CallerConfig>,
    /// Further vendor routes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteConfig>,
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

    /// The settings as TOML: defaults, file and environment together, with secrets masked.
    pub fn effective(&self) -> String {
        toml::to_string(self).unwrap_or_else(|error| format!("# these settings have no TOML form: {error}\n"))
    }

    /// Every secret and the setting of its file, in the order of `secret_files::SECRETS`.
    pub(super) fn secrets_mut(&mut self) -> [(&mut Secret, &mut Option<PathBuf>); 5] {
        let (admin, upstream, sessions) = (&mut self.admin, &mut self.upstream, &mut self.sessions);
        [
            (&mut admin.token, &mut admin.token_file),
            (&mut upstream.client_id, &mut upstream.client_id_file),
            (&mut upstream.email, &mut upstream.email_file),
            (&mut upstream.password, &mut upstream.password_file),
            (&mut sessions.secret, &mut sessions.secret_file),
        ]
    }

    pub(super) fn validate(&self, validator: &mut Validator<'_, '_>) {
        validator.section("server", |validator| self.server.validate(validator));
        validator.section("admin", |validator| self.admin.validate(validator));
        validator.section("upstream", |validator| self.upstream.validate(validator));
        validator.section("cache", |validator| self.cache.validate(validator));
        validator.section("limits", |validator| self.limits.validate(validator));
        validator.section("sessions", |validator| self.sessions.validate(validator));
        validator.section("telemetry", |validator| self.telemetry.validate(validator));
        // Of an invalid route it is not known which scope was meant.
        let is_scope_known = !validator.is_invalid("routes") && !validator.may_be_on_broken_line("routes");
        validator.section("callers", |validator| {
            callers::validate(&self.callers, validator);
            routes::validate_scopes(&self.callers, &self.routes, is_scope_known, validator);
        });
        validator.section("routes", |validator| routes::validate(&self.routes, validator));
        let conflict = self.admin.listen.as_ref().is_some_and(|admin| admin.conflicts_with(&self.server.listen));
        let reason = "server.listen and admin.listen are the same address";
        validator.require_all(!conflict, &["admin.listen", "server.listen"], reason, "give each its own port");
    }
}

impl fmt::Debug for Config {
    /// As [`Config::effective`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.effective())
    }
}
