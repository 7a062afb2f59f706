use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What a caller may ask for, route by route. There is no "everything": `account` can change
/// passwords at the vendor, so it is only ever given by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Scope {
    /// The organization and its companies.
    Organization,
    /// A company's question list.
    Questions,
    /// Survey rows; they carry personal data.
    Surveys,
    /// Live and historic figures of queues.
    Queues,
    /// Password reset at the vendor.
    Account,
    /// That of further routes, as the configuration names it.
    Further(ScopeName),
}

/// The word of a scope: 1 to 32 of `a-z`, `0-9`, `-`, `_`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeName {
    letters: [u8; Self::MOST],
    length: usize,
}

/// A text that can be no scope. It does not repeat the text: that may be anything, also a secret.
#[derive(Debug, thiserror::Error)]
#[error("a scope is 1 to 32 of a-z, 0-9, '-', '_'; those of the reference's routes are {all}", all = Scope::names())]
pub struct UnknownScope;

impl Scope {
    /// Every scope of the reference's routes.
    pub const ALL: [Self; 5] = [Self::Organization, Self::Questions, Self::Surveys, Self::Queues, Self::Account];

    /// One that cannot be named, and so given to nobody.
    pub const NOBODYS: Self = Self::Further(ScopeName { letters: [0; ScopeName::MOST], length: 0 });

    /// The scope's name in the configuration.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Further(name) => name.as_str(),
            Self::Organization => "organization",
            Self::Questions => "questions",
            Self::Surveys => "surveys",
            Self::Queues => "queues",
            Self::Account => "account",
        }
    }

    fn names() -> String {
        Self::ALL.each_ref().map(Self::as_str).join(", ")
    }
}

impl ScopeName {
    const MOST: usize = 32;

    fn new(text: &str) -> Option<Self> {
        let is_word = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'_');
        let mut letters = [0; Self::MOST];
        letters.get_mut(..text.len()).filter(|place| !place.is_empty())?.copy_from_slice(text.as_bytes());
        text.bytes().all(is_word).then_some(Self { letters, length: text.len() })
    }

    fn as_str(&self) -> &str {
        self.letters.get(..self.length).and_then(|letters| str::from_utf8(letters).ok()).unwrap_or_default()
    }
}

impl fmt::Debug for ScopeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match Self::ALL.into_iter().find(|scope| scope.as_str() == text) {
            Some(scope) => Ok(scope),
            None => ScopeName::new(text).map(Self::Further).ok_or(UnknownScope),
        }
    }
}

impl TryFrom<String> for Scope {
    type Error = UnknownScope;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.as_str().to_owned()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_a_word_and_stays_it() {
        for word in ["queues", "agents", "a", "call-log_2", &"x".repeat(32)] {
            assert_eq!(word.parse::<Scope>().unwrap().as_str(), word);
        }
        assert_eq!("queues".parse::<Scope>().unwrap(), Scope::Queues);
        for no_word in ["", "*", "Agents", "a b", "größe", &"x".repeat(33)] {
            assert!(no_word.parse::<Scope>().is_err(), "{no_word}");
        }
    }
}
