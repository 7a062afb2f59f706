//! Sessions: JWTs signed with HS256 (RFC 7515, RFC 7519) and the list of revoked ones.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::AuthFailure;
use crate::{config::SessionsConfig, model::CallerName};

/// The start of every token, in base64: the header `{"alg":"HS256","typ":"JWT"}`, and the `{` of the claims.
///
/// Compared before anything is parsed: no other header is accepted, and serde would also read claims from an array.
const TOKEN_PREFIX: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e";
const ISSUER: &str = "wesal-gateway";
/// The number of revoked sessions that are remembered by id, for each caller.
const MAX_REVOKED: usize = 1_000;
/// In bytes. Tokens issued here have about 300.
const MAX_TOKEN_LEN: usize = 1_024;

/// The first bytes of a key's hash. They identify one of a caller's keys.
pub(super) type KeyFingerprint = [u8; 8];

/// Issues, verifies and revokes sessions.
pub struct Sessions {
    header: Header,
    encoding_key: EncodingKey,
    decoding_key: DecodingKey,
    validation: Validation,
    ttl: Duration,
    revoked: Mutex<RevocationList>,
}

/// The sessions that were revoked before they expired.
struct RevocationList {
    by_caller: HashMap<CallerName, RevokedSessions>,
    /// The latest expiry of the entries that were pruned, in milliseconds. A session that expires no later counts as expired:
    /// otherwise setting back a clock that was fast would revive a revoked session.
    pruned_until: i64,
}

/// The revoked sessions of one caller.
#[derive(Default)]
struct RevokedSessions {
    /// The expiry of each by its id, in milliseconds.
    by_id: HashMap<u128, i64>,
    /// If set, every session issued up to the first time is revoked; the second is their latest expiry. In milliseconds.
    issued_until: Option<(i64, i64)>,
}

/// The claims of a verified token. Its session may have expired or been revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    id: u128,
    pub(super) caller: CallerName,
    pub(super) key: KeyFingerprint,
    /// In milliseconds since 1970, as is `expires`.
    issued: i64,
    expires: i64,
}

/// Sessions cannot be issued.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The system has no entropy.
    #[error("failed to get random numbers from the system: {0}")]
    Entropy(#[from] getrandom::Error),
    /// A token cannot be signed.
    #[error("failed to sign a session: {0}")]
    Token(#[from] jsonwebtoken::errors::Error),
}

/// The claims of a token. Times are in seconds since 1970, with milliseconds as a fraction (RFC 7519, section 2).
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    sub: CallerName,
    iat: f64,
    exp: f64,
    jti: String,
    key: String,
}

impl Sessions {
    /// Signs with the configured secret, or with a random one if none is configured.
    ///
    /// # Errors
    /// The system has no entropy.
    pub fn new(config: &SessionsConfig) -> Result<Self, SessionError> {
        let mut random = [0; 32];
        let secret = match config.secret.expose() {
            "" => {
                getrandom::fill(&mut random)?;
                &random[..]
            }
            secret => secret.as_bytes(),
        };
        // As an extra parameter `typ` comes after `alg`: the header that `TOKEN_PREFIX` holds.
        let mut header = Header { typ: None, ..Header::new(Algorithm::HS256) };
        header.extras.insert("typ", "JWT");
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        // jsonwebtoken would read the system's clock, in whole seconds: `check_active` compares `exp` with the gateway's.
        // `Claims` requires every claim.
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        Ok(Self {
            header,
            encoding_key: EncodingKey::from_secret(secret)?,
            decoding_key: DecodingKey::from_secret(secret)?,
            validation,
            ttl: config.ttl,
            revoked: Mutex::new(RevocationList { by_caller: HashMap::new(), pruned_until: i64::MIN }),
        })
    }

    /// Issues a token for a caller, bound to the key that it logged in with.
    ///
    /// # Errors
    /// The system has no entropy.
    pub(super) fn issue(
        &self,
        caller: &CallerName,
        key: KeyFingerprint,
        now: Timestamp,
    ) -> Result<String, SessionError> {
        let mut id = [0; 16];
        getrandom::fill(&mut id)?;
        let seconds = |milliseconds: i64| milliseconds as f64 / 1000.0;
        let issued = now.as_millisecond();
        let expires = self.expiry(issued, self.revocation_list().pruned_until);
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: caller.clone(),
            iat: seconds(issued),
            exp: seconds(expires),
            jti: BASE64.encode(id),
            key: BASE64.encode(key),
        };
        Ok(jsonwebtoken::encode(&self.header, &claims, &self.encoding_key)?)
    }

    /// Returns the session of a token that was issued here. Checks neither expiry nor revocation.
    pub(super) fn verify(&self, token: &str) -> Option<Session> {
        if token.len() > MAX_TOKEN_LEN || !token.starts_with(TOKEN_PREFIX) {
            return None;
        }
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding_key, &self.validation).ok()?.claims;
        Some(Session {
            id: u128::from_be_bytes(BASE64.decode(claims.jti).ok()?.try_into().ok()?),
            key: BASE64.decode(claims.key).ok()?.try_into().ok()?,
            caller: claims.sub,
            issued: milliseconds(claims.iat),
            expires: milliseconds(claims.exp),
        })
    }

    /// Checks that a session is neither expired nor revoked.
    pub(super) fn check_active(&self, session: &Session, now: Timestamp) -> Result<(), AuthFailure> {
        let list = self.revocation_list();
        if now.as_millisecond() >= session.expires || session.expires <= list.pruned_until {
            return Err(AuthFailure::SessionExpired);
        }
        match list.by_caller.get(&session.caller) {
            Some(revoked) if revoked.contains(session) => Err(AuthFailure::SessionEnded),
            _ => Ok(()),
        }
    }

    /// Revokes a session.
    ///
    /// Beyond `MAX_REVOKED` revocations, all sessions that the caller has so far are revoked. This bounds the list; the
    /// caller's apps log in again.
    pub fn revoke(&self, session: &Session, now: Timestamp) {
        let mut list = self.revocation_list();
        let pruned_until = list.pruned_until;
        let revoked = list.by_caller.entry(session.caller.clone()).or_default();
        revoked.by_id.insert(session.id, session.expires);
        if revoked.by_id.len() > MAX_REVOKED {
            let earlier = revoked.issued_until.map(|(_, last_expiry)| last_expiry);
            let last_expiry = revoked.by_id.values().copied().chain(earlier).max().unwrap_or_default();
            let last_expiry = last_expiry.max(self.expiry(now.as_millisecond(), pruned_until));
            *revoked =
                RevokedSessions { by_id: HashMap::new(), issued_until: Some((now.as_millisecond(), last_expiry)) };
        }
    }

    /// Removes revocations of sessions that have expired. Call it periodically.
    pub fn prune(&self, now: Timestamp) {
        let now = now.as_millisecond();
        let mut list = self.revocation_list();
        let RevocationList { by_caller, pruned_until } = &mut *list;
        let mut is_kept = |expires: i64| {
            let is_kept = now < expires;
            if !is_kept {
                *pruned_until = expires.max(*pruned_until);
            }
            is_kept
        };
        by_caller.retain(|_, revoked| {
            revoked.by_id.retain(|_, expires| is_kept(*expires));
            revoked.issued_until = revoked.issued_until.filter(|(_, last_expiry)| is_kept(*last_expiry));
            !revoked.by_id.is_empty() || revoked.issued_until.is_some()
        });
    }

    /// Returns when a session that is issued now expires, in milliseconds.
    ///
    /// That is always after `pruned_until`, which a clock that was fast may have put far ahead: otherwise no new session would
    /// be valid until that time has passed.
    fn expiry(&self, now: i64, pruned_until: i64) -> i64 {
        let ttl = i64::try_from(self.ttl.as_millis()).unwrap_or(i64::MAX);
        now.saturating_add(ttl).max(pruned_until.saturating_add(1))
    }

    fn revocation_list(&self) -> MutexGuard<'_, RevocationList> {
        self.revoked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RevokedSessions {
    fn contains(&self, session: &Session) -> bool {
        self.issued_until.is_some_and(|(until, _)| session.issued <= until) || self.by_id.contains_key(&session.id)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the cast saturates, which keeps a distant time distant")]
fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::Secret;

    const NOON: i64 = 1_763_812_800_123;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(milliseconds).unwrap()
    }

    fn sessions(secret: &str) -> Sessions {
        let secret = Secret::new(secret);
        Sessions::new(&SessionsConfig { ttl: Duration::from_secs(60), secret, secret_file: None }).unwrap()
    }

    fn name(text: &str) -> CallerName {
        CallerName::try_from(text.to_owned()).unwrap()
    }

    fn token(sessions: &Sessions) -> String {
        sessions.issue(&name("app"), [7; 8], at(NOON)).unwrap()
    }

    /// Returns a token with a valid signature for any header and claims.
    fn forged(secret: &str, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
        let key = EncodingKey::from_secret(secret.as_bytes()).unwrap();
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &key, Algorithm::HS256).unwrap();
        format!("{signed}.{signature}")
    }

    #[test]
    fn session_of_earlier_release_stays_valid() {
        // Computed with Python from the claims that the first release wrote, with its order of members.
        let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJ3ZXNhbC1nYXRld2F5Iiwic3ViIjoiYXBwIiwiaWF0IjoxNzYzODEyODAwLjEyMywiZXhwIjoxNzYzODEyODYwLjEyMywianRpIjoiQUFFQ0F3UUZCZ2NJQ1FvTERBME9EdyIsImtleSI6IkJ3Y0hCd2NIQndjIn0.GMHRKpGzfUbARJHvv_1PoFZMjoFq_LOew7UDZk4DGls";
        let expected = Session {
            id: u128::from_be_bytes(std::array::from_fn(|i| u8::try_from(i).unwrap())),
            caller: name("app"),
            key: [7; 8],
            issued: NOON,
            expires: NOON + 60_000,
        };
        assert_eq!(sessions("secret").verify(token), Some(expected));
    }

    #[test]
    fn issued_token_has_the_form_of_earlier_releases() {
        let token = token(&sessions("secret"));
        let [header, claims, _] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
        assert_eq!(BASE64.decode(header).unwrap(), br#"{"alg":"HS256","typ":"JWT"}"#);
        let claims = String::from_utf8(BASE64.decode(claims).unwrap()).unwrap();
        let start = r#"{"iss":"wesal-gateway","sub":"app","iat":1763812800.123,"exp":1763812860.123,"jti":""#;
        assert!(claims.starts_with(start) && claims.ends_with(r#"","key":"BwcHBwcHBwc"}"#), "{claims}");
    }

    #[test]
    fn oversized_token_is_refused() {
        let header = r#"{"alg":"HS256","typ":"JWT"}"#;
        let claims = r#"{"iss":"wesal-gateway","sub":"app","iat":0,"exp":9e9,"jti":"AAAAAAAAAAAAAAAAAAAAAA","key":"AAAAAAAAAAA"}"#;
        let padded =
            |spaces: usize| forged("secret", header, &claims.replace('}', &format!("{}}}", " ".repeat(spaces))));
        assert!(padded(500).len() <= MAX_TOKEN_LEN && sessions("secret").verify(&padded(500)).is_some());
        assert!(padded(900).len() > MAX_TOKEN_LEN && sessions("secret").verify(&padded(900)).is_none());
    }

    #[test]
    fn session_is_active_until_it_expires() {
        let sessions = sessions("secret");
        let session = sessions.verify(&token(&sessions)).unwrap();
        assert_eq!((session.caller.as_str(), session.key, session.issued), ("app", [7; 8], NOON));
        assert_eq!(sessions.check_active(&session, at(NOON + 59_999)), Ok(()));
        assert_eq!(sessions.check_active(&session, at(NOON + 60_000)), Err(AuthFailure::SessionExpired));
    }

    #[test]
    fn only_tokens_issued_here_are_verified() {
        let ours = sessions("secret");
        let good = token(&ours);
        assert!(ours.verify(&good).is_some());
        assert!(sessions("another").verify(&good).is_none());
        assert!(sessions("").verify(&token(&sessions(""))).is_none(), "each has a random secret");
        for place in 0..good.len() {
            let mut tampered = good.clone().into_bytes();
            tampered[place] = if tampered[place] == b'A' { b'B' } else { b'A' };
            let tampered = String::from_utf8(tampered).unwrap();
            assert!(ours.verify(&tampered).is_none(), "changed at {place}: {tampered}");
        }
        let claims = r#"{"iss":"wesal-gateway","sub":"app","iat":0,"exp":9e9,"jti":"AAAAAAAAAAAAAAAAAAAAAA","key":"AAAAAAAAAAA"}"#;
        assert!(ours.verify(&forged("secret", r#"{"alg":"HS256","typ":"JWT"}"#, claims)).is_some());
        for header in
            [r#"{"alg":"none","typ":"JWT"}"#, r#"{"alg":"HS512","typ":"JWT"}"#, r#"{"typ":"JWT","alg":"HS256"}"#, "{}"]
        {
            assert!(ours.verify(&forged("secret", header, claims)).is_none(), "{header}");
        }
        for claims in [
            "",
            "{}",
            r#"["wesal-gateway","app",0,9e9,"AAAAAAAAAAAAAAAAAAAAAA","AAAAAAAAAAA"]"#,
            &claims.replace("wesal-gateway", "x"),
            &claims.replace("app", "App"),
            &claims.replace("AAA\"", "\""),
        ] {
            assert!(ours.verify(&forged("secret", r#"{"alg":"HS256","typ":"JWT"}"#, claims)).is_none(), "{claims}");
        }
        let unsigned = format!("{}.", good.rsplit_once('.').unwrap().0);
        assert!(ours.verify(&unsigned).is_none() && ours.verify(unsigned.trim_end_matches('.')).is_none());
    }

    #[test]
    fn revoked_session_is_refused_until_expiry_then_pruned() {
        let sessions = sessions("secret");
        let (one, other) = (sessions.verify(&token(&sessions)).unwrap(), sessions.verify(&token(&sessions)).unwrap());
        sessions.revoke(&one, at(NOON));
        assert_eq!(sessions.check_active(&one, at(NOON)), Err(AuthFailure::SessionEnded));
        assert_eq!(sessions.check_active(&other, at(NOON)), Ok(()));
        sessions.prune(at(NOON + 59_999));
        assert_eq!(sessions.check_active(&one, at(NOON + 59_999)), Err(AuthFailure::SessionEnded));
        sessions.prune(at(NOON + 60_000));
        assert!(sessions.revocation_list().by_caller.is_empty());
    }

    #[test]
    fn revoked_session_stays_revoked_when_clock_is_set_back() {
        for many in [1, MAX_REVOKED + 1] {
            let sessions = sessions("secret");
            let all: Vec<_> = (0..many).map(|_| sessions.verify(&token(&sessions)).unwrap()).collect();
            all.iter().for_each(|session| sessions.revoke(session, at(NOON)));
            sessions.prune(at(NOON + 86_400_000));
            assert!(sessions.revocation_list().by_caller.is_empty());
            assert!(all.iter().all(|session| sessions.check_active(session, at(NOON + 2)).is_err()));
            let later = sessions.verify(&sessions.issue(&name("app"), [7; 8], at(NOON + 1)).unwrap()).unwrap();
            assert_eq!(sessions.check_active(&later, at(NOON + 2)), Ok(()));
        }
    }

    #[test]
    fn new_session_is_active_and_revocable_after_fast_clock() {
        for many in [1, MAX_REVOKED + 1] {
            let sessions = sessions("secret");
            let issued = |at: Timestamp| sessions.verify(&sessions.issue(&name("app"), [7; 8], at).unwrap()).unwrap();
            // The clock is a day ahead, for longer than `ttl`.
            let fast = issued(at(NOON + 86_400_000));
            sessions.revoke(&fast, at(NOON + 86_400_000));
            sessions.prune(at(NOON + 86_460_000));
            let later: Vec<_> = (0..many).map(|_| issued(at(NOON + 1))).collect();
            assert!(later.iter().all(|session| sessions.check_active(session, at(NOON + 2)).is_ok()));
            assert!(sessions.check_active(&fast, at(NOON + 2)).is_err());
            later.iter().for_each(|session| sessions.revoke(session, at(NOON + 2)));
            for now in [NOON + 3, NOON + 60_002, NOON + 86_460_000] {
                sessions.prune(at(now));
                assert!(later.iter().all(|session| sessions.check_active(session, at(now)).is_err()));
            }
            assert!(later.iter().all(|session| session.expires == fast.expires + 1));
        }
    }

    #[test]
    fn revocation_list_is_bounded_and_forgets_no_revocation() {
        let sessions = sessions("secret");
        let session_of =
            |caller: &str| sessions.verify(&sessions.issue(&name(caller), [7; 8], at(NOON)).unwrap()).unwrap();
        let other = session_of("other");
        let all: Vec<Session> = (0..=MAX_REVOKED).map(|_| session_of("app")).collect();
        all.iter().for_each(|session| sessions.revoke(session, at(NOON)));
        assert!(sessions.revocation_list().by_caller[&name("app")].by_id.is_empty());
        assert!(all.iter().all(|session| sessions.check_active(session, at(NOON)) == Err(AuthFailure::SessionEnded)));
        assert_eq!(sessions.check_active(&other, at(NOON)), Ok(()), "another caller's session");
        let later = sessions.verify(&sessions.issue(&name("app"), [7; 8], at(NOON + 1)).unwrap()).unwrap();
        assert_eq!(sessions.check_active(&later, at(NOON + 1)), Ok(()));
        sessions.prune(at(NOON + 60_000));
        assert!(sessions.revocation_list().by_caller.is_empty());
    }

    proptest! {
        #[test]
        fn arbitrary_text_is_no_session(text in "(eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9\\.)?[A-Za-z0-9_.=é-]{0,200}") {
            prop_assert!(sessions("secret").verify(&text).is_none());
        }
    }
}
