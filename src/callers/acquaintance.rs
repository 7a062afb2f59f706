use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::{AuthFailure, Caller, Callers};

/// Who spoke last on a connection. An app says the same key in every request, and hashing it anew each time would be a
/// good part of what an answer from memory costs.
#[derive(Default)]
pub struct Acquaintance(Mutex<Option<Known>>);

struct Known {
    key: SecretString,
    caller: Arc<Caller>,
    /// Among whom the caller was found.
    callers: u64,
}

impl Acquaintance {
    /// Who has this key among `callers`: whoever spoke last, or found as [`Callers::by_key`] does.
    pub fn by_key(&self, callers: &Callers, key: &str, now: Timestamp) -> Result<Arc<Caller>, AuthFailure> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Known { key: last, caller, callers: among }) = known.as_ref()
            && *among == callers.number()
            && bool::from(last.expose_secret().as_bytes().ct_eq(key.as_bytes()))
        {
            caller.is_good(now)?;
            return Ok(Arc::clone(caller));
        }
        let caller = callers.by_key(key, now)?;
        *known = Some(Known { key: key.into(), caller: Arc::clone(&caller), callers: callers.number() });
        Ok(caller)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        callers::ApiKey,
        config::{CallerConfig, KeyHash},
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

    #[test]
    fn it_says_what_the_callers_say_whatever_was_said_before() {
        let [a, b, stranger] = [(); 3].map(|()| ApiKey::generate().unwrap());
        let end = Timestamp::from_second(100).unwrap();
        let all = Callers::new(&[caller("a", &a, Some(end)), caller("b", &b, None)]);
        let without_a = Callers::new(&[caller("b", &b, None)]);
        let acquaintance = Acquaintance::default();
        let said = |callers: &Callers, key: &ApiKey, second: i64| {
            let now = Timestamp::from_second(second).unwrap();
            acquaintance.by_key(callers, key.expose(), now).map(|caller| caller.name.as_str().to_owned())
        };
        for _ in 0..2 {
            assert_eq!(said(&all, &a, 99).as_deref(), Ok("a"));
            assert_eq!(said(&all, &a, 99).as_deref(), Ok("a"));
            assert_eq!(said(&all, &stranger, 99), Err(AuthFailure::Unknown));
            assert_eq!(said(&all, &a, 100), Err(AuthFailure::Expired));
            assert_eq!(said(&all, &b, 100).as_deref(), Ok("b"));
            assert_eq!(said(&all, &a, 99).as_deref(), Ok("a"));
            assert_eq!(said(&without_a, &a, 99), Err(AuthFailure::Unknown), "revoked");
        }
        let short = Acquaintance::default();
        short.by_key(&all, b.expose(), end).unwrap();
        assert!(short.by_key(&all, "", end).is_err());
    }
}
