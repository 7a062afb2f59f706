use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

const PREFIX: &str = "wgw_";
/// The digits of base62, in order.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 62^43 is the first power of 62 above 2^256.
const RANDOM_LEN: usize = 43;
/// 62^6 is the first power of 62 above 2^32.
const CHECKSUM_LEN: usize = 6;

/// A caller's key: `wgw_`, 256 random bits in 43 base62 digits, and the CRC-32 of both in 6 more.
///
/// The checksum distinguishes a mistyped key from an unknown key and lets secret scanners verify a match (CONTRACT,
/// section 3). The type has no `Debug`: only `keys new` and the sandbox print a key, with [`expose`](Self::expose).
pub struct ApiKey(SecretString);

impl ApiKey {
    /// Generates a key from the system's entropy.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut random = [0; 32];
        getrandom::fill(&mut random)?;
        Ok(Self::from_random(random))
    }

    fn from_random(random: [u8; 32]) -> Self {
        let mut text = String::with_capacity(PREFIX.len() + RANDOM_LEN + CHECKSUM_LEN);
        text.push_str(PREFIX);
        text.push_str(&random_digits(random));
        let check = checksum(&text);
        text.push_str(&check);
        Self(text.into())
    }

    /// Parses a printed key. Returns `None` if the form or the checksum is wrong.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?;
        if digits.len() != RANDOM_LEN + CHECKSUM_LEN || !digits.bytes().all(|c| c.is_ascii_alphanumeric()) {
            return None;
        }
        let (checked, check) = text.split_at_checked(text.len() - CHECKSUM_LEN)?;
        (checksum(checked) == check).then(|| Self(text.into()))
    }

    /// Returns the SHA-256 of the whole printed key. A slow hash would add nothing to 256 random bits.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.expose().as_bytes()).into()
    }

    /// Returns the printed key.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Returns the CRC-32 of `text` in base62. It is on the hot path, hence 32-bit arithmetic instead of [`random_digits`].
fn checksum(text: &str) -> String {
    let mut number = crc32fast::hash(text.as_bytes());
    let mut reversed = [b'0'; CHECKSUM_LEN];
    for place in &mut reversed {
        *place = digit(number % 62);
        number /= 62;
    }
    reversed.iter().rev().copied().map(char::from).collect()
}

/// Formats a 256-bit big-endian number in base62, zero-padded.
fn random_digits(mut number: [u8; 32]) -> String {
    let mut reversed = [b'0'; RANDOM_LEN];
    for place in &mut reversed {
        let mut remainder = 0;
        for byte in &mut number {
            let value = remainder * 256 + u32::from(*byte);
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            remainder = value % 62;
        }
        *place = digit(remainder);
    }
    reversed.iter().rev().copied().map(char::from).collect()
}

fn digit(value: u32) -> u8 {
    usize::try_from(value).ok().and_then(|i| ALPHABET.get(i)).copied().unwrap_or(b'0')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn printed_form_matches_the_contract() {
        // 2^256 - 1 in base62 and the CRC-32 of the text before it, computed with Python.
        assert_eq!(ApiKey::from_random([0xff; 32]).expose(), "wgw_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp14Q7Nxe");
    }

    #[test]
    fn single_wrong_character_is_rejected() {
        let key = ApiKey::generate().unwrap();
        for place in PREFIX.len()..key.expose().len() {
            for digit in ["0", "z", "-", "A"] {
                let mut typo = key.expose().to_owned();
                typo.replace_range(place..=place, digit);
                assert_eq!(ApiKey::parse(&typo).is_some(), typo == key.expose(), "place {place}");
            }
        }
    }

    #[test]
    fn malformed_key_is_rejected() {
        for bad in ["", "wgw_", "wgw_abc", "eyJhbGciOi.x.y", "é"] {
            assert!(ApiKey::parse(bad).is_none(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn printed_key_parses_to_the_same_key(random: [u8; 32]) {
            let key = ApiKey::from_random(random);
            prop_assert_eq!(ApiKey::parse(key.expose()).unwrap().hash(), key.hash());
        }

        #[test]
        fn arbitrary_text_is_rejected(text: String) {
            prop_assert!(ApiKey::parse(&text).is_none());
        }
    }
}
