use std::{
    io::{self, IsTerminal},
    sync::OnceLock,
};

use tracing_subscriber::{fmt, layer::SubscriberExt, util::SubscriberInitExt};

use super::{
    events,
    filter::{changeable, ours_only},
    json_lines::JsonLines,
    sink::{LogWriter, Sink},
};
use crate::{
    clock::SystemClock,
    config::{LogFormat, TelemetryConfig},
};

/// Why events cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The machine gives no thread.
    #[error("the thread that writes the log cannot start: {0}")]
    Thread(#[from] io::Error),
}

/// Begins to write events to standard error, in the form that the configuration names, until the writer is dropped.
/// Once a process; a second call changes nothing.
pub fn start(config: &TelemetryConfig) -> Result<LogWriter, StartError> {
    let (filter, keep_filter) = changeable(&config.log_filter);
    // The default hook prints a panic's message, which can hold anything.
    std::panic::set_hook(Box::new(|panic| events::panicked(panic.location())));
    let terminal = io::stderr().is_terminal();
    let text = match config.log_format {
        LogFormat::Auto => terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let (sink, writer) = Sink::open(io::stderr())?;
    let registry = tracing_subscriber::registry().with(filter).with(ours_only());
    let started = if text {
        registry.with(fmt::layer().with_writer(sink).with_ansi(terminal)).try_init()
    } else {
        let lines = JsonLines::new(sink, SystemClock::shared());
        registry.with(lines.clone()).try_init().map(|()| {
            // Empty until now: a second subscriber would have been refused.
            let _ = JSON_LINES.set(lines);
        })
    };
    // Only a subscriber that stands already makes this fail, and then events are written.
    if started.is_ok() {
        keep_filter();
    }
    Ok(writer)
}

/// Where events go if they are written as JSON.
static JSON_LINES: OnceLock<JsonLines> = OnceLock::new();

/// What writes events as JSON, if that is their form: for the one event that is too frequent for a subscriber.
pub(super) fn json_lines() -> Option<&'static JsonLines> {
    JSON_LINES.get()
}
