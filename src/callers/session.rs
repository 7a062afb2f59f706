//! Sessions: JWTs signed with HS256 (RFC 7515, RFC 7519), in the one form that we write ourselves. Whatever else a token
//! could be, another algorithm or none, is not read at all.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::AuthFailure;
use crate::{config::SessionsConfig, model::CallerName};

/// `{"alg":"HS256","typ":"JWT"}`, the only header there is.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
const ISSUER: &str = "wesal-gateway";
/// Ended sessions of one caller that are remembered one by one.
const MOST_ENDED: usize = 1_000;
/// The longest token that is looked at, in bytes; ours have about 300.
const LONGEST: usize = 1_024;

/// The first bytes of a key's hash: they tell which of a caller's keys it is.
pub(super) type KeyMark = [u8; 8];

/// Begins and ends sessions, and knows its own.
pub struct Sessions {
    signer: Hmac<Sha256>,
    ttl: Duration,
    ended: Mutex<AllEnded>,
}

/// What has ended before its time.
struct AllEnded {
    by_caller: HashMap<CallerName, Ended>,
    /// When the last of those that were forgotten would have expired, in milliseconds: whatever would have by then counts as
    /// expired. Else one that had ended would be good again when a clock that was fast is set back.
    forgotten: i64,
}

/// What of a caller's sessions has ended before its time.
#[derive(Default)]
struct Ended {
    /// By id, with when they would have expired, in milliseconds.
    one_by_one: HashMap<u128, i64>,
    /// All that began until then, and when the last of them would have expired, in milliseconds.
    until: Option<(i64, i64)>,
}

/// A session that is what it says, apart from whether it has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    id: u128,
    pub(super) caller: CallerName,
    pub(super) key: KeyMark,
    began: i64,
    expires: i64,
}

/// What stands in a token. Times are seconds since 1970, with milliseconds (RFC 7519, section 2).
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
    /// Signed with the secret of the configuration; without one, with a random one.
    ///
    /// # Errors
    /// The system has no entropy.
    pub fn new(config: &SessionsConfig) -> Result<Self, getrandom::Error> {
        let mut random = [0; 32];
        let secret = match config.secret.expose() {
            "" => {
                getrandom::fill(&mut random)?;
                &random[..]
            }
            secret => secret.as_bytes(),
        };
        // HMAC takes a key of any length; the error's type alone says otherwise.
        let signer = Hmac::new_from_slice(secret).unwrap_or_else(|_| Hmac::new(&Default::default()));
        let ended = AllEnded { by_caller: HashMap::new(), forgotten: i64::MIN };
        Ok(Self { signer, ttl: config.ttl, ended: Mutex::new(ended) })
    }

    /// A new session of a caller that showed the key of this mark.
    pub(super) fn begin(&self, caller: &CallerName, key: KeyMark, now: Timestamp) -> Result<String, getrandom::Error> {
        let mut id = [0; 16];
        getrandom::fill(&mut id)?;
        let seconds = |milliseconds: i64| milliseconds as f64 / 1000.0;
        let began = now.as_millisecond();
        let expires = self.expiry(began, self.ended().forgotten);
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: caller.clone(),
            iat: seconds(began),
            exp: seconds(expires),
            jti: BASE64.encode(id),
            key: BASE64.encode(key),
        };
        // A struct of texts and numbers always has a form in JSON.
        let claims = BASE64.encode(serde_json::to_vec(&claims).unwrap_or_default());
        let signed = format!("{HEADER}.{claims}");
        let signature = BASE64.encode(self.signature(&signed).finalize().into_bytes());
        Ok(format!("{signed}.{signature}"))
    }

    /// Reads a token. Does not say whether its session has ended, or its caller is still there.
    pub(super) fn read(&self, token: &str) -> Option<Session> {
        if token.len() > LONGEST {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let claims = signed.strip_prefix(HEADER)?.strip_prefix('.')?;
        self.signature(signed).verify_slice(&BASE64.decode(signature).ok()?).ok()?;
        // serde would take a list for the claims in their order, too.
        let claims = BASE64.decode(claims).ok().filter(|claims| claims.starts_with(b"{"))?;
        let claims: Claims = serde_json::from_slice(&claims).ok()?;
        if claims.iss != ISSUER {
            return None;
        }
        Some(Session {
            id: u128::from_be_bytes(BASE64.decode(claims.jti).ok()?.try_into().ok()?),
            key: BASE64.decode(claims.key).ok()?.try_into().ok()?,
            caller: claims.sub,
            began: milliseconds(claims.iat),
            expires: milliseconds(claims.exp),
        })
    }

    /// Whether a session is neither over nor ended.
    pub(super) fn is_good(&self, session: &Session, now: Timestamp) -> Result<(), AuthFailure> {
        let ended = self.ended();
        if now.as_millisecond() >= session.expires || session.expires <= ended.forgotten {
            return Err(AuthFailure::SessionExpired);
        }
        match ended.by_caller.get(&session.caller) {
            Some(ended) if ended.holds(session) => Err(AuthFailure::SessionEnded),
            _ => Ok(()),
        }
    }

    /// Ends a session before its time. A caller that has ended very many of late ends all that it has: its apps log in
    /// again, and what is remembered has a bound.
    pub fn end(&self, session: &Session, now: Timestamp) {
        let mut ended = self.ended();
        let forgotten = ended.forgotten;
        let of_caller = ended.by_caller.entry(session.caller.clone()).or_default();
        of_caller.one_by_one.insert(session.id, session.expires);
        if of_caller.one_by_one.len() > MOST_ENDED {
            let last = of_caller.one_by_one.values().copied().chain(of_caller.until.map(|(_, last)| last)).max();
            let last = last.unwrap_or_default().max(self.expiry(now.as_millisecond(), forgotten));
            *of_caller = Ended { one_by_one: HashMap::new(), until: Some((now.as_millisecond(), last)) };
        }
    }

    /// Forgets those that would have expired by now. To be called now and then.
    pub fn tidy(&self, now: Timestamp) {
        let now = now.as_millisecond();
        let mut all = self.ended();
        let AllEnded { by_caller, forgotten } = &mut *all;
        let mut is_remembered = |expires: i64| {
            let is_remembered = now < expires;
            if !is_remembered {
                *forgotten = expires.max(*forgotten);
            }
            is_remembered
        };
        by_caller.retain(|_, ended| {
            ended.one_by_one.retain(|_, expires| is_remembered(*expires));
            ended.until = ended.until.filter(|(_, last)| is_remembered(*last));
            !ended.one_by_one.is_empty() || ended.until.is_some()
        });
    }

    /// When a session that begins now expires, in milliseconds: after those that were forgotten, which a clock that was fast may
    /// have put far ahead. Else whoever logs in would not be let in before that time has come again.
    fn expiry(&self, now: i64, forgotten: i64) -> i64 {
        let life = i64::try_from(self.ttl.as_millis()).unwrap_or(i64::MAX);
        now.saturating_add(life).max(forgotten.saturating_add(1))
    }

    fn signature(&self, signed: &str) -> Hmac<Sha256> {
        let mut signature = self.signer.clone();
        signature.update(signed.as_bytes());
        signature
    }

    fn ended(&self) -> MutexGuard<'_, AllEnded> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ended {
    fn holds(&self, session: &Session) -> bool {
        self.until.is_some_and(|(until, _)| session.began <= until) || self.one_by_one.contains_key(&session.id)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "saturates, and a far time is a far time")]
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
        sessions.begin(&name("app"), [7; 8], at(NOON)).unwrap()
    }

    /// Signed as it should be, with another header or other claims.
    fn forged(secret: &str, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
        let mut signer = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        signer.update(signed.as_bytes());
        format!("{signed}.{}", BASE64.encode(signer.finalize().into_bytes()))
    }

    #[test]
    fn a_session_is_good_until_its_end() {
        let sessions = sessions("secret");
        let session = sessions.read(&token(&sessions)).unwrap();
        assert_eq!((session.caller.as_str(), session.key, session.began), ("app", [7; 8], NOON));
        assert_eq!(sessions.is_good(&session, at(NOON + 59_999)), Ok(()));
        assert_eq!(sessions.is_good(&session, at(NOON + 60_000)), Err(AuthFailure::SessionExpired));
    }

    #[test]
    fn only_what_was_signed_here_is_read() {
        let ours = sessions("secret");
        let good = token(&ours);
        assert!(ours.read(&good).is_some());
        assert!(sessions("another").read(&good).is_none());
        assert!(sessions("").read(&token(&sessions(""))).is_none(), "a random secret each");
        for place in 0..good.len() {
            let mut tampered = good.clone().into_bytes();
            tampered[place] = if tampered[place] == b'A' { b'B' } else { b'A' };
            let tampered = String::from_utf8(tampered).unwrap();
            assert!(ours.read(&tampered).is_none(), "changed at {place}: {tampered}");
        }
        let claims = r#"{"iss":"wesal-gateway","sub":"app","iat":0,"exp":9e9,"jti":"AAAAAAAAAAAAAAAAAAAAAA","key":"AAAAAAAAAAA"}"#;
        assert!(ours.read(&forged("secret", r#"{"alg":"HS256","typ":"JWT"}"#, claims)).is_some());
        for header in
            [r#"{"alg":"none","typ":"JWT"}"#, r#"{"alg":"HS512","typ":"JWT"}"#, r#"{"typ":"JWT","alg":"HS256"}"#, "{}"]
        {
            assert!(ours.read(&forged("secret", header, claims)).is_none(), "{header}");
        }
        for claims in [
            "",
            "{}",
            r#"["wesal-gateway","app",0,9e9,"AAAAAAAAAAAAAAAAAAAAAA","AAAAAAAAAAA"]"#,
            &claims.replace("wesal-gateway", "x"),
            &claims.replace("app", "App"),
            &claims.replace("AAA\"", "\""),
        ] {
            assert!(ours.read(&forged("secret", r#"{"alg":"HS256","typ":"JWT"}"#, claims)).is_none(), "{claims}");
        }
        let unsigned = format!("{}.", good.rsplit_once('.').unwrap().0);
        assert!(ours.read(&unsigned).is_none() && ours.read(unsigned.trim_end_matches('.')).is_none());
    }

    #[test]
    fn an_ended_session_is_refused_until_it_would_have_expired_and_then_forgotten() {
        let sessions = sessions("secret");
        let (one, other) = (sessions.read(&token(&sessions)).unwrap(), sessions.read(&token(&sessions)).unwrap());
        sessions.end(&one, at(NOON));
        assert_eq!(sessions.is_good(&one, at(NOON)), Err(AuthFailure::SessionEnded));
        assert_eq!(sessions.is_good(&other, at(NOON)), Ok(()));
        sessions.tidy(at(NOON + 59_999));
        assert_eq!(sessions.is_good(&one, at(NOON + 59_999)), Err(AuthFailure::SessionEnded));
        sessions.tidy(at(NOON + 60_000));
        assert!(sessions.ended().by_caller.is_empty());
    }

    #[test]
    fn an_ended_session_stays_so_when_a_clock_that_was_fast_is_set_back() {
        for many in [1, MOST_ENDED + 1] {
            let sessions = sessions("secret");
            let all: Vec<_> = (0..many).map(|_| sessions.read(&token(&sessions)).unwrap()).collect();
            all.iter().for_each(|session| sessions.end(session, at(NOON)));
            sessions.tidy(at(NOON + 86_400_000));
            assert!(sessions.ended().by_caller.is_empty());
            assert!(all.iter().all(|session| sessions.is_good(session, at(NOON + 2)).is_err()));
            let later = sessions.read(&sessions.begin(&name("app"), [7; 8], at(NOON + 1)).unwrap()).unwrap();
            assert_eq!(sessions.is_good(&later, at(NOON + 2)), Ok(()));
        }
    }

    #[test]
    fn who_logs_in_after_a_clock_was_fast_for_long_is_let_in_and_can_end_it() {
        for many in [1, MOST_ENDED + 1] {
            let sessions = sessions("secret");
            let begun = |at: Timestamp| sessions.read(&sessions.begin(&name("app"), [7; 8], at).unwrap()).unwrap();
            // A day ahead, for longer than a session lives.
            let fast = begun(at(NOON + 86_400_000));
            sessions.end(&fast, at(NOON + 86_400_000));
            sessions.tidy(at(NOON + 86_460_000));
            let later: Vec<_> = (0..many).map(|_| begun(at(NOON + 1))).collect();
            assert!(later.iter().all(|session| sessions.is_good(session, at(NOON + 2)).is_ok()));
            assert!(sessions.is_good(&fast, at(NOON + 2)).is_err());
            later.iter().for_each(|session| sessions.end(session, at(NOON + 2)));
            for now in [NOON + 3, NOON + 60_002, NOON + 86_460_000] {
                sessions.tidy(at(now));
                assert!(later.iter().all(|session| sessions.is_good(session, at(now)).is_err()));
            }
            assert!(later.iter().all(|session| session.expires == fast.expires + 1));
        }
    }

    #[test]
    fn the_list_of_ended_ones_has_a_bound_and_no_ended_one_comes_back() {
        let sessions = sessions("secret");
        let of = |caller: &str| sessions.read(&sessions.begin(&name(caller), [7; 8], at(NOON)).unwrap()).unwrap();
        let others = of("other");
        let all: Vec<Session> = (0..=MOST_ENDED).map(|_| of("app")).collect();
        all.iter().for_each(|session| sessions.end(session, at(NOON)));
        assert!(sessions.ended().by_caller[&name("app")].one_by_one.is_empty());
        assert!(all.iter().all(|session| sessions.is_good(session, at(NOON)) == Err(AuthFailure::SessionEnded)));
        assert_eq!(sessions.is_good(&others, at(NOON)), Ok(()), "another caller's");
        let later = sessions.read(&sessions.begin(&name("app"), [7; 8], at(NOON + 1)).unwrap()).unwrap();
        assert_eq!(sessions.is_good(&later, at(NOON + 1)), Ok(()));
        sessions.tidy(at(NOON + 60_000));
        assert!(sessions.ended().by_caller.is_empty());
    }

    proptest! {
        #[test]
        fn no_text_is_a_session_unless_it_was_made_here(text in "(eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9\\.)?[A-Za-z0-9_.=é-]{0,200}") {
            prop_assert!(sessions("secret").read(&text).is_none());
        }
    }
}
