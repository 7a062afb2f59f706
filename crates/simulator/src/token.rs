//! Access tokens: JSON Web Tokens signed with a key made from the seed (RFC 7519, HS256).

use std::collections::VecDeque;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::json::Object;

/// How many tokens live at once; the oldest dies of a further one.
const CAPACITY: usize = 1000;

/// Bytes in a block of SHA-256.
const BLOCK: usize = 64;

struct Live {
    token: String,
    /// Seconds since 1970.
    expires: Option<i64>,
}

/// The tokens given out and still alive.
pub(crate) struct Tokens {
    key: Vec<u8>,
    live: VecDeque<Live>,
    issued: u64,
}

impl Tokens {
    pub(crate) fn new(seed: u64) -> Self {
        let key = Sha256::digest(format!("wesal simulator {seed}")).to_vec();
        Self { key, live: VecDeque::new(), issued: 0 }
    }

    /// A new token. `now` is in seconds since 1970.
    pub(crate) fn issue(&mut self, subject: &str, now: i64, life: Option<Duration>) -> String {
        self.issued += 1;
        let expires = life.map(|life| now.saturating_add(i64::try_from(life.as_secs().max(1)).unwrap_or(i64::MAX)));
        let header = Object::new().text("alg", "HS256").text("typ", "JWT").close();
        let mut payload = Object::new().text("sub", subject).raw("iat", now).raw("jti", self.issued);
        if let Some(expires) = expires {
            payload = payload.raw("exp", expires);
        }
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload.close()));
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(self.sign(signed.as_bytes())));
        if self.live.len() >= CAPACITY {
            self.live.pop_front();
        }
        self.live.push_back(Live { token: token.clone(), expires });
        token
    }

    /// HMAC-SHA256 (RFC 2104).
    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let pad = |byte: u8| -> Vec<u8> {
            self.key.iter().copied().chain(std::iter::repeat(0)).take(BLOCK).map(|part| part ^ byte).collect()
        };
        let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
        Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
    }

    /// Whether this very text, signature included, was given out and has neither ended nor expired.
    pub(crate) fn is_live(&self, token: &str, now: i64) -> bool {
        self.live.iter().any(|live| live.token == token && live.expires.is_none_or(|expires| now < expires))
    }

    pub(crate) fn revoke(&mut self, token: &str) {
        self.live.retain(|live| live.token != token);
    }

    pub(crate) fn revoke_all(&mut self) {
        self.live.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(token: &str) -> serde_json::Value {
        let part = token.split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn a_token_looks_like_the_references() {
        let token = Tokens::new(1).issue("me", 10, None);
        assert!(token.starts_with("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXV"), "{token}");
        assert_eq!(payload(&token)["sub"], "me");
        assert!(payload(&token).get("exp").is_none());
    }

    #[test]
    fn the_signature_is_hmac_sha256() {
        // RFC 4231, test case 2.
        let tokens = Tokens { key: b"Jefe".to_vec(), live: VecDeque::new(), issued: 0 };
        let hex: String =
            tokens.sign(b"what do ya want for nothing?").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn a_token_lives_until_its_exp() {
        let mut tokens = Tokens::new(1);
        let token = tokens.issue("me", 10, Some(Duration::from_secs(5)));
        assert_eq!(payload(&token)["exp"], 15);
        assert!(tokens.is_live(&token, 14));
        assert!(!tokens.is_live(&token, 15));
    }

    #[test]
    fn an_altered_or_ended_token_is_dead() {
        let mut tokens = Tokens::new(1);
        let (one, two) = (tokens.issue("me", 10, None), tokens.issue("me", 10, None));
        assert_ne!(one, two);
        assert!(!tokens.is_live(&format!("{one}A"), 10));
        tokens.revoke(&one);
        assert!(!tokens.is_live(&one, 10) && tokens.is_live(&two, 10));
        tokens.revoke_all();
        assert!(!tokens.is_live(&two, 10));
    }

    #[test]
    fn only_so_many_tokens_are_kept() {
        let mut tokens = Tokens::new(1);
        let first = tokens.issue("me", 10, None);
        for _ in 0..CAPACITY {
            tokens.issue("me", 10, None);
        }
        assert!(!tokens.is_live(&first, 10));
        assert_eq!(tokens.live.len(), CAPACITY);
    }
}
