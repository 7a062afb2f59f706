use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

const PREFIX: &str = "wgw_";
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 62^43 is the first power of 62 above 2^256.
const RANDOM_DIGITS: usize = 43;
/// 62^6 is the first power of 62 above 2^32.
const CHECK_DIGITS: usize = 6;

/// A caller's key: `wgw_`, 256 random bits in 43 base62 digits, and a CRC-32 of all before it in 6 more, so
/// that a typing error is told from a wrong key and secret scanners can know one (CONTRACT, section 3).
///
/// It has no `Debug`: nothing prints it but `keys new` and the sandbox, by [`expose`](Self::expose).
pub struct ApiKey(SecretString);

impl ApiKey {
    /// A new key from the system's entropy.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut random = [0; 32];
        getrandom::fill(&mut random)?;
        Ok(Self::from_random(random))
    }

    fn from_random(random: [u8; 32]) -> Self {
        let mut text = String::with_capacity(PREFIX.len() + RANDOM_DIGITS + CHECK_DIGITS);
        text.push_str(PREFIX);
        text.push_str(&random_digits(random));
        let check = checksum(&text);
        text.push_str(&check);
        Self(text.into())
    }

    /// Reads a printed key; `None` if it cannot be one, a typing error included.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?;
        if digits.len() != RANDOM_DIGITS + CHECK_DIGITS || !digits.bytes().all(|c| c.is_ascii_alphanumeric()) {
            return None;
        }
        let (checked, check) = text.split_at_checked(text.len() - CHECK_DIGITS)?;
        (checksum(checked) == check).then(|| Self(text.into()))
    }

    /// SHA-256 of the whole printed key. The key has 256 random bits, so a slow hash would add nothing.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.expose().as_bytes()).into()
    }

    /// The printed key.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// CRC-32 in base62. On the way of every request, so that it does without [`random_digits`]' long division.
fn checksum(text: &str) -> String {
    let mut number = crc32fast::hash(text.as_bytes());
    let mut reversed = [b'0'; CHECK_DIGITS];
    for place in &mut reversed {
        *place = digit(number % 62);
        number /= 62;
    }
    reversed.iter().rev().copied().map(char::from).collect()
}

/// A 256-bit big-endian number in base62, zero-padded.
fn random_digits(mut number: [u8; 32]) -> String {
    let mut reversed = [b'0'; RANDOM_DIGITS];
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
    usize::try_from(value).ok().and_then(|i| DIGITS.get(i)).copied().unwrap_or(b'0')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_printed_form_is_the_contracts() {
        // 2^256 - 1 in base 62, and the CRC-32 of what stands before it: computed apart, with Python.
        assert_eq!(ApiKey::from_random([0xff; 32]).expose(), "wgw_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp14Q7Nxe");
    }

    #[test]
    fn any_one_wrong_letter_is_a_typing_error() {
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
    fn what_is_no_key_is_none() {
        for bad in ["", "wgw_", "wgw_abc", "eyJhbGciOi.x.y", "é"] {
            assert!(ApiKey::parse(bad).is_none(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(random: [u8; 32]) {
            let key = ApiKey::from_random(random);
            prop_assert_eq!(ApiKey::parse(key.expose()).unwrap().hash(), key.hash());
        }

        #[test]
        fn any_text_is_answered(text: String) {
            prop_assert!(ApiKey::parse(&text).is_none());
        }
    }
}
