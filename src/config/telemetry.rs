use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{log_filter::LogFilter, url, validator::Validator};
use crate::model::QueueId;

/// `[telemetry]`: logs, metrics and traces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// Format of log events.
    pub log_format: LogFormat,
    /// Log level, or levels by target, such as `info,wesal_gateway::access=warn`.
    #[schemars(with = "String", example = &"info")]
    pub log_filter: LogFilter,
    /// Collector of traces (OTLP over HTTP), without `/v1/traces`. Left out, none are sent. Needs a build with the feature
    /// `otlp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"http://127.0.0.1:4318")]
    pub otlp_endpoint: Option<String>,
    /// Share of traces that are sent, from 0 to 1, unless the caller's `traceparent` decides.
    #[schemars(range(min = 0, max = 1))]
    pub otlp_sample_ratio: f64,
    /// Values of queues in `/metrics`, as far as they are cached: they cause no vendor call.
    pub queue_gauges: QueueGauges,
}

/// `telemetry.queue_gauges`: the fields and the queues whose summaries become metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QueueGauges {
    /// Ids of the queues: at most 500.
    #[schemars(with = "Vec<String>")]
    pub queues: Vec<QueueId>,
    /// Names of the fields, such as `memberCount`: at most 50. A field that holds no number is left out.
    pub fields: Vec<String>,
}

/// Format of log events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, otherwise JSON.
    Auto,
    /// One JSON object per line.
    Json,
    /// Text.
    Text,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            log_format: LogFormat::Auto,
            log_filter: LogFilter::default(),
            otlp_endpoint: None,
            otlp_sample_ratio: 1.0,
            queue_gauges: QueueGauges::default(),
        }
    }
}

impl TelemetryConfig {
    pub(super) fn validate(&self, validator: &mut Validator<'_, '_>) {
        if let Some(endpoint) = &self.otlp_endpoint {
            if cfg!(feature = "otlp") {
                url::validate_collector(endpoint, validator);
            } else {
                let reason = "needs the feature `otlp`, which this build does not have";
                validator.require(false, "otlp_endpoint", reason, "build with --features otlp, or remove it");
            }
        }
        validator.section("queue_gauges", |validator| self.queue_gauges.validate(validator));
    }
}

impl QueueGauges {
    const MAX_QUEUES: usize = 500;
    const MAX_FIELDS: usize = 50;

    fn validate(&self, validator: &mut Validator<'_, '_>) {
        let remedy = "name fewer: each becomes a series of its own";
        validator.require(self.queues.len() <= Self::MAX_QUEUES, "queues", "names more than 500 queues", remedy);
        validator.require(self.fields.len() <= Self::MAX_FIELDS, "fields", "names more than 50 fields", remedy);
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let are_names = self.fields.iter().all(|field| (1..=64).contains(&field.len()) && field.chars().all(is_word));
        validator.require(are_names, "fields", "holds an invalid field name", "write each as in \"memberCount\"");
        let are_paired = self.queues.is_empty() == self.fields.is_empty();
        validator.require_all(are_paired, &["fields", "queues"], "only one of the two is set", "set both, or neither");
    }
}
