use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::{AuthFailure, Caller, Callers, Session, Sessions};

/// The credential of a request.
#[derive(Clone, Copy)]
pub struct Credential<'a> {
    /// A key or a session, unparsed.
    pub text: &'a str,
    /// Whether it came in `Authorization`, the only header that accepts sessions.
    pub may_be_session: bool,
}

/// An authenticated caller.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The caller.
    pub caller: Arc<Caller>,
    /// The session, if the credential was one.
    pub session: Option<Session>,
}

/// Caches the last verified credential of a connection.
///
/// An app sends the same credential in every request, and hashing it each time would be a large part of a cache hit's cost.
#[derive(Default)]
pub struct ConnectionAuthCache(Mutex<Option<CachedIdentity>>);

struct CachedIdentity {
    credential: SecretString,
    may_be_session: bool,
    identity: Identity,
    /// The [`Callers::generation`] that the identity was found in.
    generation: u64,
}

impl ConnectionAuthCache {
    /// Returns the cached identity if the credential is the same and still valid, else that of [`Callers::identify`].
    pub fn identify(
        &self,
        callers: &Callers,
        sessions: &Sessions,
        credential: Credential<'_>,
        now: Timestamp,
    ) -> Result<Identity, AuthFailure> {
        let Credential { text, may_be_session } = credential;
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cached) = cached.as_ref()
            && cached.generation == callers.generation()
            && cached.may_be_session == may_be_session
            && bool::from(cached.credential.expose_secret().as_bytes().ct_eq(text.as_bytes()))
        {
            let Identity { caller, session } = &cached.identity;
            session.as_ref().map_or(Ok(()), |session| sessions.check_active(session, now))?;
            caller.check_active(now)?;
            return Ok(cached.identity.clone());
        }
        let identity = callers.identify(sessions, credential, now)?;
        *cached = Some(CachedIdentity {
            credential: text.into(),
            may_be_session,
            identity: identity.clone(),
            generation: callers.generation(),
        });
        Ok(identity)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        auth::ApiKey,
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

    fn credential(text: &str) -> Credential<'_> {
        Credential { text, may_be_session: true }
    }

    #[test]
    fn cached_identity_never_differs_from_registry() {
        let [a, b, stranger] = [(); 3].map(|()| ApiKey::generate().unwrap());
        let sessions = Sessions::new(&SessionsConfig::default()).unwrap();
        let all = Callers::new(&[caller("a", &a, Some(at(100))), caller("b", &b, None)], None);
        let without_a = Callers::new(&[caller("b", &b, None)], Some(&all));
        let auth_cache = ConnectionAuthCache::default();
        let identify = |callers: &Callers, text: &str, second: i64| {
            let found = auth_cache.identify(callers, &sessions, credential(text), at(second));
            found.map(|identity| identity.caller.name.as_str().to_owned())
        };
        let session = all.issue_session(&sessions, &all.by_key(b.expose(), at(50)).unwrap(), at(50)).unwrap();
        for _ in 0..2 {
            assert_eq!(identify(&all, a.expose(), 99).as_deref(), Ok("a"));
            assert_eq!(identify(&all, a.expose(), 99).as_deref(), Ok("a"));
            assert_eq!(identify(&all, stranger.expose(), 99), Err(AuthFailure::Unknown));
            assert_eq!(identify(&all, a.expose(), 100), Err(AuthFailure::Expired));
            assert_eq!(identify(&all, b.expose(), 100).as_deref(), Ok("b"));
            assert_eq!(identify(&all, &session, 100).as_deref(), Ok("b"));
            assert_eq!(identify(&all, &session, 100).as_deref(), Ok("b"));
            assert_eq!(identify(&all, a.expose(), 99).as_deref(), Ok("a"));
            assert_eq!(identify(&without_a, a.expose(), 99), Err(AuthFailure::Unknown), "revoked");
        }
        assert_eq!(identify(&without_a, &session, 99).as_deref(), Ok("b"));
        let misplaced = Credential { may_be_session: false, ..credential(&session) };
        let found = auth_cache.identify(&without_a, &sessions, misplaced, at(99));
        assert_eq!(found.unwrap_err(), AuthFailure::SessionInWrongHeader, "although it was valid in Authorization");
        let ended = sessions.verify(&session).unwrap();
        assert_eq!(identify(&without_a, &session, 99).as_deref(), Ok("b"));
        sessions.revoke(&ended, at(99));
        assert_eq!(identify(&without_a, &session, 99), Err(AuthFailure::SessionEnded));
    }

    #[test]
    fn session_ends_with_its_key() {
        let [old, new] = [(); 2].map(|()| ApiKey::generate().unwrap());
        let sessions = Sessions::new(&SessionsConfig::default()).unwrap();
        let mut rotating = caller("app", &old, None);
        rotating.key_hashes.push(KeyHash::new(new.hash()));
        let both = Callers::new(&[rotating], None);
        let only_new = Callers::new(&[caller("app", &new, None)], Some(&both));
        let session = |key: &ApiKey| {
            let verified = both.by_key(key.expose(), at(1)).unwrap();
            both.issue_session(&sessions, &verified, at(1)).unwrap()
        };
        let (of_old, of_new) = (session(&old), session(&new));
        let identify = |callers: &Callers, text: &str| callers.identify(&sessions, credential(text), at(2)).map(|_| ());
        assert_eq!([identify(&both, &of_old), identify(&both, &of_new)], [Ok(()), Ok(())]);
        assert_eq!(
            [identify(&only_new, &of_old), identify(&only_new, &of_new)],
            [Err(AuthFailure::SessionUnknown), Ok(())]
        );
    }

    proptest! {
        #[test]
        fn arbitrary_credential_is_rejected(text in "(wgw_|eyJ)?.{0,80}", may_be_session: bool) {
            let key = ApiKey::generate().unwrap();
            let callers = Callers::new(&[caller("app", &key, None)], None);
            let sessions = Sessions::new(&SessionsConfig::default()).unwrap();
            let credential = Credential { text: &text, may_be_session };
            prop_assert!(ConnectionAuthCache::default().identify(&callers, &sessions, credential, at(1)).is_err());
        }
    }
}
