//! Access tokens: JSON Web Tokens signed with a key made from the seed (RFC 7519, HS256).

use std::collections::VecDeque;
use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

/// The number of tokens that live at the same time. A further one ends the oldest.
const MAX_TOKENS: usize = 1000;

/// Times are in seconds since 1970.
#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    iat: i64,
    jti: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
}

struct Live {
    token: String,
    expires: Option<i64>,
}

/// The tokens that were issued and are still alive.
pub(crate) struct Tokens {
    key: String,
    live: VecDeque<Live>,
    issued: u64,
}

impl Tokens {
    pub(crate) fn new(seed: u64) -> Self {
        Self { key: format!("wesal simulator {seed}"), live: VecDeque::new(), issued: 0 }
    }

    /// Issues a token. `now` is in seconds since 1970.
    pub(crate) fn issue(
        &mut self,
        subject: &str,
        now: i64,
        life: Option<Duration>,
    ) -> jsonwebtoken::errors::Result<String> {
        self.issued += 1;
        let expires = life.map(|life| now.saturating_add(i64::try_from(life.as_secs().max(1)).unwrap_or(i64::MAX)));
        let mut header = Header::new(Algorithm::HS256);
        // As an extra field `typ` comes after `alg`, as in the reference's tokens.
        header.typ = None;
        header.extras.insert("typ", "JWT");
        let claims = Claims { sub: subject, iat: now, jti: self.issued, exp: expires };
        let token = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(self.key.as_bytes())?)?;
        if self.live.len() >= MAX_TOKENS {
            self.live.pop_front();
        }
        self.live.push_back(Live { token: token.clone(), expires });
        Ok(token)
    }

    /// Whether this text, signature included, was issued and has neither been revoked nor expired.
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
    use jsonwebtoken::{DecodingKey, Validation};
    use serde_json::Value;

    use super::*;

    /// The claims, once the signature is verified.
    fn claims(tokens: &Tokens, token: &str) -> Value {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        let key = DecodingKey::from_secret(tokens.key.as_bytes()).unwrap();
        jsonwebtoken::decode::<Value>(token, &key, &validation).unwrap().claims
    }

    #[test]
    fn token_is_signed_and_begins_as_the_reference_shows() {
        let mut tokens = Tokens::new(1);
        let token = tokens.issue("me", 10, None).unwrap();
        assert!(token.starts_with("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXV"), "{token}");
        assert_eq!(claims(&tokens, &token), serde_json::json!({"sub": "me", "iat": 10, "jti": 1}));
    }

    #[test]
    fn token_lives_until_its_exp() {
        let mut tokens = Tokens::new(1);
        let token = tokens.issue("me", 10, Some(Duration::from_secs(5))).unwrap();
        assert_eq!(claims(&tokens, &token)["exp"], 15);
        assert!(tokens.is_live(&token, 14));
        assert!(!tokens.is_live(&token, 15));
    }

    #[test]
    fn altered_or_revoked_token_is_dead() {
        let mut tokens = Tokens::new(1);
        let (one, two) = (tokens.issue("me", 10, None).unwrap(), tokens.issue("me", 10, None).unwrap());
        assert_ne!(one, two);
        assert!(!tokens.is_live(&format!("{one}A"), 10));
        tokens.revoke(&one);
        assert!(!tokens.is_live(&one, 10) && tokens.is_live(&two, 10));
        tokens.revoke_all();
        assert!(!tokens.is_live(&two, 10));
    }

    #[test]
    fn number_of_live_tokens_is_bounded() {
        let mut tokens = Tokens::new(1);
        let first = tokens.issue("me", 10, None).unwrap();
        for _ in 0..MAX_TOKENS {
            tokens.issue("me", 10, None).unwrap();
        }
        assert!(!tokens.is_live(&first, 10));
        assert_eq!(tokens.live.len(), MAX_TOKENS);
    }
}
