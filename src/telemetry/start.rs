use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, filter::ParseError, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use super::events;
use crate::config::{LogFormat, TelemetryConfig};

/// `telemetry.log_filter` is not a filter.
#[derive(Debug, thiserror::Error)]
#[error("telemetry.log_filter is not a filter such as \"info\" or \"info,wesal_gateway::access=warn\": {0}")]
pub struct InvalidFilter(#[from] ParseError);

/// Begins to write events to standard error, in the form that the configuration names. Once a process; a
/// second call changes nothing.
pub fn start(config: &TelemetryConfig) -> Result<(), InvalidFilter> {
    let filter = EnvFilter::try_new(&config.log_filter)?;
    // The default hook prints a panic's message, which can hold anything.
    std::panic::set_hook(Box::new(|panic| events::panicked(panic.location())));
    let terminal = std::io::stderr().is_terminal();
    let text = match config.log_format {
        LogFormat::Auto => terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let registry = tracing_subscriber::registry().with(filter);
    // Only a subscriber that stands already makes this fail, and then events are written.
    let _ = if text {
        registry.with(fmt::layer().with_writer(std::io::stderr).with_ansi(terminal)).try_init()
    } else {
        registry.with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr)).try_init()
    };
    Ok(())
}
