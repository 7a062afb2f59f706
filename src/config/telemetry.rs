use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LogFilter, url, validator::Validator};
use crate::model::QueueId;

/// `[telemetry]`: what the gateway tells about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// How log events are written.
    pub log_format: LogFormat,
    /// Which events are written: a level, or directives such as `info,wesal_gateway::access=warn`.
    pub log_filter: LogFilter,
    /// Where traces are sent, by OTLP over HTTP: `/v1/traces` is put behind it. Left out, none are. Needs a build with the
    /// feature `otlp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp_endpoint: Option<String>,
    /// The share of the traces that are sent, from 0 to 1, where the caller's `traceparent` does not decide.
    #[schemars(range(min = 0, max = 1))]
    pub otlp_sample_ratio: f64,
    /// Figures of queues that `/metrics` tells, as far as they are held anyway: no call is made for them.
    pub queue_gauges: QueueGauges,
}

/// `telemetry.queue_gauges`: which fields of which queues' summaries become metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QueueGauges {
    /// The queues, by their ids: at most 500.
    #[schemars(with = "Vec<String>")]
    pub queues: Vec<QueueId>,
    /// The fields, as in `memberCount`: at most 50. Those that hold no number are left out.
    pub fields: Vec<String>,
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
    pub(super) fn validate(&self, validator: &mut Validator<'_>) {
        if let Some(endpoint) = &self.otlp_endpoint {
            if cfg!(feature = "otlp") {
                url::validate_collector(endpoint, validator);
            } else {
                // Whoever sets it would wait for traces in vain.
                let reason = "needs the feature `otlp`, which this build does not have";
                validator.require(false, "otlp_endpoint", reason, "build with --features otlp, or take it out");
            }
        }
        let share = (0.0..=1.0).contains(&self.otlp_sample_ratio);
        validator.require(
            share,
            "otlp_sample_ratio",
            "is not a share of the traces",
            "write a number from 0 to 1, as in 0.1",
        );
        validator.section("queue_gauges", |validator| self.queue_gauges.validate(validator));
    }
}

impl QueueGauges {
    const MOST_QUEUES: usize = 500;
    const MOST_FIELDS: usize = 50;

    fn validate(&self, validator: &mut Validator<'_>) {
        let series = "each becomes a series of its own: name fewer";
        validator.require(self.queues.len() <= Self::MOST_QUEUES, "queues", "names more than 500 queues", series);
        validator.require(self.fields.len() <= Self::MOST_FIELDS, "fields", "names more than 50 fields", series);
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let words = self.fields.iter().all(|field| (1..=64).contains(&field.len()) && field.chars().all(word));
        validator.require(words, "fields", "holds what is no field's name", "write each as in \"memberCount\"");
        let both = self.queues.is_empty() == self.fields.is_empty();
        validator.require_all(both, &["fields", "queues"], "only one of the two is set", "set both, or neither");
    }
}
