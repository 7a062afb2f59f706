use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// The vendor's access token. It has no `Debug`: nothing prints it.
#[derive(Clone)]
pub(crate) struct Token(SecretString);

impl Token {
    /// Takes what can stand in a header: visible ASCII, and something.
    pub(in crate::upstream) fn new(text: String) -> Option<Self> {
        let fit = !text.is_empty() && text.bytes().all(|c| c.is_ascii_graphic());
        fit.then(|| Self(text.into()))
    }

    /// The token's text, for the header.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// How long it lives, if it is a JWT that says so. Nothing relies on this: a token can die at any time.
    ///
    /// Counted from the token's own `iat` where it has one, so that a wrong clock, here or at the vendor,
    /// does not matter.
    pub(in crate::upstream) fn life(&self, now: Timestamp) -> Option<Duration> {
        #[derive(Deserialize)]
        struct Claims {
            exp: f64,
            iat: Option<f64>,
        }
        let claims = self.expose().split('.').nth(1)?;
        let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
        let claims: Claims = serde_json::from_slice(&claims).ok()?;
        let life = claims.exp - claims.iat.unwrap_or_else(|| now.as_duration().as_secs_f64());
        Duration::try_from_secs_f64(life).ok().filter(|life| !life.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(claims: &str) -> Option<u64> {
        let token = format!("eyJhbGciOiJIUzI1NiJ9.{}.sig", URL_SAFE_NO_PAD.encode(claims));
        Token::new(token).unwrap().life(Timestamp::from_second(1000).unwrap()).map(|life| life.as_secs())
    }

    #[test]
    fn a_jwts_expiry_is_read_and_nonsense_is_not() {
        assert_eq!(life(r#"{"exp":4600}"#), Some(3600));
        assert_eq!(life(r#"{"exp":9600,"iat":9000}"#), Some(600), "the vendor's clock is its own business");
        assert_eq!(life(r#"{"exp":10}"#), None);
        assert_eq!(life(r#"{"exp":1e300}"#), None);
        assert_eq!(life(r#"{"exp":"soon"}"#), None);
        assert_eq!(life("{}"), None);
        let plain = Token::new("2RlIHRvIEJhc2U2NCBmb3Jt".to_owned()).unwrap();
        assert_eq!(plain.life(Timestamp::UNIX_EPOCH), None);
    }

    #[test]
    fn what_no_header_can_carry_is_no_token() {
        for bad in ["", "a b", "a\r\nX: y", "é"] {
            assert!(Token::new(bad.to_owned()).is_none(), "{bad:?}");
        }
    }
}
