use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// The name of an internal app that has a gateway key: 1 to 64 of `a-z`, `0-9`, `-`, `_`.
///
/// It is safe as a metric label and in a log line, because only the configuration can make one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CallerName(Arc<str>);

/// A text that cannot name a caller. It does not repeat the text: that may be anything, also a secret.
#[derive(Debug, thiserror::Error)]
#[error("a caller's name is 1 to 64 of a-z, 0-9, '-' and '_'")]
pub struct InvalidCallerName;

impl CallerName {
    const MAX_CHARS: usize = 64;

    /// The name as it stands in the configuration.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CallerName {
    type Error = InvalidCallerName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'_';
        if text.is_empty() || text.len() > Self::MAX_CHARS || !text.bytes().all(allowed) {
            return Err(InvalidCallerName);
        }
        Ok(Self(text.into()))
    }
}

impl From<CallerName> for String {
    fn from(name: CallerName) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl fmt::Display for CallerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_only_what_is_safe_as_a_label() {
        for good in ["a", "wall-board_2", &"x".repeat(64)] {
            assert_eq!(CallerName::try_from(good.to_owned()).unwrap().as_str(), good);
        }
        for bad in ["", "A", "a b", "é", "a/b", &"x".repeat(65)] {
            assert!(CallerName::try_from(bad.to_owned()).is_err(), "{bad:?} was taken");
        }
    }
}
