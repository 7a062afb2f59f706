use std::{fmt, num::NonZeroU64, str::FromStr};

use serde::{Deserialize, Serialize};

/// A company's number at the vendor: a positive integer that every JSON reader holds exactly (below 2^53).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct CompanyId(NonZeroU64);

/// What is wrong with a value that should name a company.
#[derive(Debug, thiserror::Error)]
#[error("a company id is a positive integer below 2^53, in digits")]
pub struct InvalidCompanyId;

impl CompanyId {
    /// The greatest there can be.
    pub const MAX: u64 = (1 << 53) - 1;

    /// The number itself.
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

impl TryFrom<u64> for CompanyId {
    type Error = InvalidCompanyId;

    fn try_from(number: u64) -> Result<Self, Self::Error> {
        NonZeroU64::new(number).filter(|n| n.get() <= Self::MAX).map(Self).ok_or(InvalidCompanyId)
    }
}

impl From<CompanyId> for u64 {
    fn from(id: CompanyId) -> Self {
        id.get()
    }
}

impl FromStr for CompanyId {
    type Err = InvalidCompanyId;

    /// Takes the one canonical form: digits, no sign, no leading zero. Two spellings of one company
    /// would be two entries in the cache and two ways past a rule.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with('0') || !text.bytes().all(|c| c.is_ascii_digit()) {
            return Err(InvalidCompanyId);
        }
        text.parse::<u64>().map_err(|_| InvalidCompanyId)?.try_into()
    }
}

impl fmt::Display for CompanyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_one_spelling() {
        assert_eq!("100301".parse::<CompanyId>().unwrap().get(), 100_301);
        for bad in ["", "0", "01", "+1", "-1", "1.0", "1e2", "9007199254740992", "99999999999999999999", "١"] {
            assert!(bad.parse::<CompanyId>().is_err(), "{bad:?} was taken");
        }
    }
}
