use std::{borrow::Cow, fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The SHA-256 of a printed gateway key; as text, `sha256:` and 64 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
#[schemars(
    description = "\"sha256:\" and 64 lower-case hex digits, as `wesal-gateway keys new` prints them",
    extend("pattern" = "^sha256:[0-9a-f]{64}$"),
    extend("examples" = [format!("sha256:{}", "0".repeat(64))])
)]
pub struct KeyHash(#[schemars(with = "String")] [u8; 32]);

/// Why a text is not the hash of a key. It never holds the text, which may be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeyHash {
    /// It holds a key.
    #[error("holds a gateway key instead of its hash: treat that key as leaked, and give the caller a new one")]
    Key,
    /// Anything else.
    #[error("is not the hash of a key")]
    Form,
}

impl KeyHash {
    const PREFIX: &'static str = "sha256:";

    /// A hash of this digest.
    pub const fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for KeyHash {
    type Err = InvalidKeyHash;

    fn from_str(text: &str) -> Result<Self, InvalidKeyHash> {
        if text.contains("wgw_") {
            return Err(InvalidKeyHash::Key);
        }
        let digits = text.strip_prefix(Self::PREFIX).filter(|digits| digits.len() == 64).ok_or(InvalidKeyHash::Form)?;
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            *byte =
                pair.iter().try_fold(0, |high, digit| Some(high << 4 | nibble(*digit)?)).ok_or(InvalidKeyHash::Form)?;
        }
        Ok(Self(digest))
    }
}

/// A lower-case hex digit's value.
fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl TryFrom<Cow<'_, str>> for KeyHash {
    type Error = InvalidKeyHash;

    fn try_from(text: Cow<'_, str>) -> Result<Self, InvalidKeyHash> {
        text.parse()
    }
}

impl From<KeyHash> for String {
    fn from(hash: KeyHash) -> Self {
        hash.to_string()
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_have_one_spelling() {
        let text = format!("sha256:{}", "0f".repeat(32));
        let hash: KeyHash = text.parse().unwrap();
        assert_eq!(hash.as_bytes(), &[0x0f; 32]);
        assert_eq!(hash.to_string(), text);
        for bad in ["", "sha256:", &"0f".repeat(32), &text.to_uppercase(), &text.replace('f', "F"), &format!("{text}0")]
        {
            assert_eq!(bad.parse::<KeyHash>(), Err(InvalidKeyHash::Form), "{bad:?}");
        }
        assert_eq!("wgw_0123".parse::<KeyHash>(), Err(InvalidKeyHash::Key));
    }
}
