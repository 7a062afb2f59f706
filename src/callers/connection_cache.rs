use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::{AuthFailure, Caller, Callers, Session, Sessions};

/// What a request shows to say who asks.
#[derive(Clone, Copy)]
pub struct Credential<'a> {
    /// A key or a session, as it came.
    pub text: &'a str,
    /// Whether it stood where a session may stand: in `Authorization`.
    pub may_be_session: bool,
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The caller.
    pub caller: Arc<Caller>,
    /// The session that was shown in place of a key.
    pub session: Option<Session>,
}

/// Who spoke last on a connection. An app shows the same credential in every request, and hashing it anew each time would
/// be a good part of what an answer from memory costs.
#[derive(Default)]
pub struct ConnectionAuthCache(Mutex<Option<Known>>);

struct Known {
    credential: SecretString,
    may_be_session: bool,
    identity: Identity,
    /// Among whom the caller was found.
    callers: u64,
}

impl ConnectionAuthCache {
    /// Who shows this credential: whoever spoke last, or as [`Callers::identify`] finds.
    pub fn identify(
        &self,
        callers: &Callers,
        sessions: &Sessions,
        credential: Credential<'_>,
        now: Timestamp,
    ) -> Result<Identity, AuthFailure> {
        let Credential { text, may_be_session } = credential;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_ref()
            && known.callers == callers.number()
            && known.may_be_session == may_be_session
            && bool::from(known.credential.expose_secret().as_bytes().ct_eq(text.as_bytes()))
        {
            let Identity { caller, session } = &known.identity;
            session.as_ref().map_or(Ok(()), |session| sessions.is_good(session, now))?;
            caller.is_good(now)?;
            return Ok(known.identity.clone());
        }
        let identity = callers.identify(sessions, credential, now)?;
        *known = Some(Known {
            credential: text.into(),
            may_be_session,
            identity: identity.clone(),
            callers: callers.number(),
        });
        Ok(identity)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        callers::ApiKey,
        config::{CallerConfig, KeyHash, SessionsConfig},
        model::{CallerName, Scope},
    };

    fn caller(name: &str, key: &ApiKey, expires: Option<Timestamp>) -> CallerConfig {
        CallerConfig {
            name: CallerName::try_from(name.to_owned()).unwrap(),
            key_hashes: vec![KeyHash::new(key.hash())],
            scopes: vec![Scope::Queues],
            companies: None,
            queues: None,
            rate_limit: None,
            expires,
            enabled: true,
            may_refresh: false,
            login: None,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn shown(text: &str) -> Credential<'_> {
        Credential { text, may_be_session: true }
    }

    #[test]
    fn it_says_what_the_callers_say_whatever_was_said_before() {
        let [a, b, stranger] = [(); 3].map(|()| ApiKey::generate().unwrap());
        let sessions = Sessions::new(&SessionsConfig::default()).unwrap();
        let all = Callers::new(&[caller("a", &a, Some(at(100))), caller("b", &b, None)], None);
        let without_a = Callers::new(&[caller("b", &b, None)], Some(&all));
        let auth_cache = ConnectionAuthCache::default();
        let said = |callers: &Callers, text: &str, second: i64| {
            let found = auth_cache.identify(callers, &sessions, shown(text), at(second));
            found.map(|identity| identity.caller.name.as_str().to_owned())
        };
        let session = all.begin_session(&sessions, &all.by_key(b.expose(), at(50)).unwrap(), at(50)).unwrap();
        for _ in 0..2 {
            assert_eq!(said(&all, a.expose(), 99).as_deref(), Ok("a"));
            assert_eq!(said(&all, a.expose(), 99).as_deref(), Ok("a"));
            assert_eq!(said(&all, stranger.expose(), 99), Err(AuthFailure::Unknown));
            assert_eq!(said(&all, a.expose(), 100), Err(AuthFailure::Expired));
            assert_eq!(said(&all, b.expose(), 100).as_deref(), Ok("b"));
            assert_eq!(said(&all, &session, 100).as_deref(), Ok("b"));
            assert_eq!(said(&all, &session, 100).as_deref(), Ok("b"));
            assert_eq!(said(&all, a.expose(), 99).as_deref(), Ok("a"));
            assert_eq!(said(&without_a, a.expose(), 99), Err(AuthFailure::Unknown), "revoked");
        }
        assert_eq!(said(&without_a, &session, 99).as_deref(), Ok("b"));
        let misplaced = Credential { may_be_session: false, ..shown(&session) };
        let found = auth_cache.identify(&without_a, &sessions, misplaced, at(99));
        assert_eq!(found.unwrap_err(), AuthFailure::SessionMisplaced, "although it was good a moment ago");
        let ended = sessions.read(&session).unwrap();
        assert_eq!(said(&without_a, &session, 99).as_deref(), Ok("b"));
        sessions.end(&ended, at(99));
        assert_eq!(said(&without_a, &session, 99), Err(AuthFailure::SessionEnded));
    }

    #[test]
    fn a_session_ends_with_the_key_that_it_was_begun_with() {
        let [old, new] = [(); 2].map(|()| ApiKey::generate().unwrap());
        let sessions = Sessions::new(&SessionsConfig::default()).unwrap();
        let mut rotating = caller("app", &old, None);
        rotating.key_hashes.push(KeyHash::new(new.hash()));
        let both = Callers::new(&[rotating], None);
        let only_new = Callers::new(&[caller("app", &new, None)], Some(&both));
        let session = |key: &ApiKey| {
            let shown = both.by_key(key.expose(), at(1)).unwrap();
            both.begin_session(&sessions, &shown, at(1)).unwrap()
        };
        let (of_old, of_new) = (session(&old), session(&new));
        let said = |callers: &Callers, text: &str| callers.identify(&sessions, shown(text), at(2)).map(|_| ());
        assert_eq!([said(&both, &of_old), said(&both, &of_new)], [Ok(()), Ok(())]);
        assert_eq!([said(&only_new, &of_old), said(&only_new, &of_new)], [Err(AuthFailure::SessionUnknown), Ok(())]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_or_say_yes(text in "(wgw_|eyJ)?.{0,80}", may_be_session: bool) {
            let key = ApiKey::generate().unwrap();
            let callers = Callers::new(&[caller("app", &key, None)], None);
            let sessions = Sessions::new(&SessionsConfig::default()).unwrap();
            let credential = Credential { text: &text, may_be_session };
            prop_assert!(ConnectionAuthCache::default().identify(&callers, &sessions, credential, at(1)).is_err());
        }
    }
}
