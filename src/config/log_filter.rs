use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;

/// Which log events are written: a level for all, or levels by target. A target or level that does not exist is refused, as it
/// would silence the log without notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LogFilter(String);

/// Why a text is not a filter. It does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLogFilter {
    /// It is empty.
    #[error("is empty: write a level such as \"info\", or \"off\"")]
    Empty,
    /// An unknown level.
    #[error("names an unknown level: choose from error, warn, info, debug, trace, off")]
    Level,
    /// An unknown level or target.
    #[error(
        "names an unknown level or target: the levels are error, warn, info, debug, trace, off; the targets are {}",
        LogFilter::TARGETS.join(", ")
    )]
    Target,
}

impl LogFilter {
    /// The filter as written, without superfluous spaces and commas.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The targets of the events in `telemetry::events`, and the modules above them. `tests/architecture.rs` checks that
    /// there are no others.
    pub const TARGETS: [&str; 4] =
        ["wesal_gateway", "wesal_gateway::access", "wesal_gateway::telemetry", "wesal_gateway::telemetry::events"];
}

impl Default for LogFilter {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

impl FromStr for LogFilter {
    type Err = InvalidLogFilter;

    fn from_str(text: &str) -> Result<Self, InvalidLogFilter> {
        let directives = text.split(',').map(str::trim).filter(|directive| !directive.is_empty());
        let directives: Vec<_> = directives.map(directive).collect::<Result<_, _>>()?;
        if directives.is_empty() { Err(InvalidLogFilter::Empty) } else { Ok(Self(directives.join(","))) }
    }
}

fn directive(text: &str) -> Result<String, InvalidLogFilter> {
    let is_level = |word: &str| !word.is_empty() && word.parse::<LevelFilter>().is_ok();
    let Some((target, level)) = text.split_once('=') else {
        let known = is_level(text) || LogFilter::TARGETS.contains(&text);
        return if known { Ok(text.to_owned()) } else { Err(InvalidLogFilter::Target) };
    };
    let (target, level) = (target.trim(), level.trim());
    match (LogFilter::TARGETS.contains(&target), is_level(level)) {
        (false, _) => Err(InvalidLogFilter::Target),
        (_, false) => Err(InvalidLogFilter::Level),
        _ => Ok(format!("{target}={level}")),
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for LogFilter {
    type Error = InvalidLogFilter;

    fn try_from(text: String) -> Result<Self, InvalidLogFilter> {
        text.parse()
    }
}

impl From<LogFilter> for String {
    fn from(filter: LogFilter) -> Self {
        filter.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_hold_known_levels_and_targets() {
        for (text, held) in [
            ("info", "info"),
            (" info ", "info"),
            ("info,, ", "info"),
            ("OFF", "OFF"),
            ("info, wesal_gateway::access = warn", "info,wesal_gateway::access=warn"),
            ("warn,wesal_gateway=debug", "warn,wesal_gateway=debug"),
            ("wesal_gateway::telemetry::events=trace", "wesal_gateway::telemetry::events=trace"),
            ("wesal_gateway", "wesal_gateway"),
        ] {
            let filter: LogFilter = text.parse().unwrap();
            assert_eq!(filter.as_str(), held);
        }
        for (text, why) in [
            ("", InvalidLogFilter::Empty),
            (" , ", InvalidLogFilter::Empty),
            ("inof", InvalidLogFilter::Target),
            ("info warn", InvalidLogFilter::Target),
            ("info,h2=off", InvalidLogFilter::Target),
            ("wesal_gateway::acess=warn", InvalidLogFilter::Target),
            ("wesal_gateway::http=debug", InvalidLogFilter::Target),
            ("[span]=info", InvalidLogFilter::Target),
            ("=info", InvalidLogFilter::Target),
            ("wesal_gateway::access=wran", InvalidLogFilter::Level),
            ("wesal_gateway=", InvalidLogFilter::Level),
        ] {
            assert_eq!(text.parse::<LogFilter>(), Err(why), "{text:?}");
        }
    }
}
