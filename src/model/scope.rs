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
}

/// A text that is no scope of any route. It does not repeat the text: that may be anything, also a secret.
#[derive(Debug, thiserror::Error)]
#[error("no route has this scope; the scopes are {all}", all = Scope::names())]
pub struct UnknownScope;

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 5] = [Self::Organization, Self::Questions, Self::Surveys, Self::Queues, Self::Account];

    /// The scope's name in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Questions => "questions",
            Self::Surveys => "surveys",
            Self::Queues => "queues",
            Self::Account => "account",
        }
    }

    fn names() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(UnknownScope)
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
