use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use super::check::Check;

/// `[telemetry]`: what the gateway tells about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// How log events are written.
    pub log_format: LogFormat,
    /// Which events are written: a level, or directives such as `info,wesal_gateway::access=warn`.
    pub log_filter: String,
}

/// How log events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line.
    Json,
    /// Lines for human eyes.
    Text,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self { log_format: LogFormat::Auto, log_filter: "info".to_owned() }
    }
}

impl TelemetryConfig {
    pub(super) fn validate(&self, check: &mut Check<'_>) {
        let remedy = "write a level such as \"info\"; \"off\" silences the log";
        let filter = self.log_filter.trim();
        check.that(!filter.is_empty(), "log_filter", "is empty", remedy);
        let remedy = "write a level, or directives such as \"info,wesal_gateway::access=warn\"";
        check.that(EnvFilter::try_new(filter).is_ok(), "log_filter", "is not a filter of log events", remedy);
    }
}
