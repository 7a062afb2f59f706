//! Which events are written, and how that changes while the process runs.

use std::sync::{Mutex, OnceLock, PoisonError};

use tracing::{Metadata, Subscriber};
use tracing_subscriber::{EnvFilter, Layer, Registry, filter::filter_fn, reload};

use crate::config::{InvalidLogFilter, LogFilter};

/// A filter that others can take the place of. What it makes of an event is remembered where the event stands in the code,
/// as it is of a filter that cannot change: one that is written, or never is, costs no more.
pub(super) type Changeable = reload::Layer<EnvFilter, Registry>;

/// Lets through what this program says itself, whatever the changeable filter asks for. Its events stand in `events`, and hold
/// nothing secret; what libraries write for their own authors (h2 tells headers and paths, at `debug` and `trace`) can hold
/// anything, and is never written.
pub(super) fn ours_only<S: Subscriber>() -> impl Layer<S> {
    filter_fn(|metadata: &Metadata<'_>| is_ours(metadata.target()))
}

fn is_ours(target: &str) -> bool {
    target.strip_prefix(env!("CARGO_CRATE_NAME")).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

struct Current {
    handle: reload::Handle<EnvFilter, Registry>,
    text: Mutex<String>,
}

/// Of the whole process: there is one log.
static CURRENT: OnceLock<Current> = OnceLock::new();

/// Why there is no other filter now.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// It is none.
    #[error(transparent)]
    Invalid(#[from] InvalidLogFilter),
    /// This process writes no log.
    #[error("this process writes no log")]
    NoLog,
}

/// The filter as a layer, and what makes it the process's own.
pub(super) fn changeable(filter: &LogFilter) -> (Changeable, impl FnOnce() + use<>) {
    let (layer, handle) = reload::Layer::new(EnvFilter::new(filter.as_str()));
    let text = Mutex::new(filter.to_string());
    let keep = || {
        // Empty until now: a second subscriber would have been refused.
        let _ = CURRENT.set(Current { handle, text });
    };
    (layer, keep)
}

/// From now on the events that `text` names are written.
///
/// # Errors
/// It is no filter, or there is no log; then nothing changes.
pub fn change_log_filter(text: &str) -> Result<(), FilterError> {
    let filter: LogFilter = text.parse()?;
    let current = CURRENT.get().ok_or(FilterError::NoLog)?;
    let mut told = current.text.lock().unwrap_or_else(PoisonError::into_inner);
    current.handle.reload(EnvFilter::new(filter.as_str())).map_err(|_| FilterError::NoLog)?;
    filter.as_str().clone_into(&mut told);
    Ok(())
}

/// Which events are written now; nothing if there is no log.
pub fn log_filter() -> Option<String> {
    CURRENT.get().map(|current| current.text.lock().unwrap_or_else(PoisonError::into_inner).clone())
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::{
        clock::SystemClock,
        telemetry::{
            json_lines::JsonLines,
            sink::{Sink, tests::Paper},
        },
    };

    #[test]
    fn a_library_is_not_heard_whatever_the_filter_asks_for() {
        let paper = Paper::default();
        let (sink, writer) = Sink::open(paper.clone()).unwrap();
        let lines = JsonLines::new(sink, SystemClock::shared());
        let filter = EnvFilter::try_new("trace,h2=trace").unwrap();
        let registry = tracing_subscriber::registry().with(filter).with(ours_only()).with(lines);
        tracing::subscriber::with_default(registry, || {
            tracing::error!(target: "h2::server", "theirs");
            tracing::trace!(target: "wesal_gateway_not::events", "theirs");
            let _span = tracing::error_span!(target: "h2", "theirs").entered();
            tracing::trace!(target: "wesal_gateway", "ours, first");
            tracing::trace!("ours, second");
            assert!(!tracing::enabled!(target: "hyper", tracing::Level::ERROR));
        });
        drop(writer);
        assert!(!paper.text().contains("theirs"), "{}", paper.text());
        assert_eq!(paper.text().matches("ours").count(), 2);
    }

    #[test]
    fn another_filter_holds_from_the_next_event_on_and_one_that_is_none_changes_nothing() {
        let paper = Paper::default();
        let (sink, writer) = Sink::open(paper.clone()).unwrap();
        let (layer, keep) = changeable(&LogFilter::default());
        keep();
        let lines = JsonLines::new(sink, SystemClock::shared());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer).with(lines), || {
            let event = |number: u64| tracing::debug!(number, "an event");
            let seen = || tracing::enabled!(tracing::Level::DEBUG);
            event(1);
            assert!(!seen());
            change_log_filter(" debug ").unwrap();
            event(2);
            assert!(seen());
            for none in ["", "  ", "debug=nothing=at=all", "inof", "info,wesal_gateway::acess=warn"] {
                assert!(change_log_filter(none).is_err(), "{none:?}");
            }
            assert_eq!(log_filter().as_deref(), Some("debug"));
            event(3);
            change_log_filter("off").unwrap();
            event(4);
            assert!(!seen());
        });
        drop(writer);
        let numbers: Vec<_> = (1..=4).filter(|n| paper.text().contains(&format!("\"number\":{n}"))).collect();
        assert_eq!(numbers, [2, 3], "{}", paper.text());
    }
}
