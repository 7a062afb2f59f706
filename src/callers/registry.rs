use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use jiff::Timestamp;

use super::{ApiKey, Caller};
use crate::config::CallerConfig;

/// All who may call, found by the hash of their key.
pub struct Callers {
    /// No two have the same.
    number: u64,
    by_hash: HashMap<[u8; 32], Arc<Caller>>,
    by_login: HashMap<String, Arc<Caller>>,
}

/// Why a credential is not good. For the log; callers are told no more than that it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthFailure {
    /// It has not a key's form; its checksum tells a typing error.
    Malformed,
    /// No caller has it.
    Unknown,
    /// Its caller's time is over.
    Expired,
    /// Its caller is switched off.
    Disabled,
    /// It belongs to another caller than the one who was named with it.
    OtherCaller,
}

impl AuthFailure {
    /// A word for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Disabled => "disabled",
            Self::OtherCaller => "other_caller",
        }
    }
}

impl Callers {
    /// Those of the configuration, which has seen to it that no two share a name or a hash.
    pub fn new(configs: &[CallerConfig]) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut callers = Self { number, by_hash: HashMap::new(), by_login: HashMap::new() };
        for (index, config) in configs.iter().enumerate() {
            let caller = Arc::new(Caller::new(config, index));
            for hash in &config.key_hashes {
                callers.by_hash.insert(*hash.as_bytes(), Arc::clone(&caller));
            }
            callers.by_login.insert(config.name.as_str().to_owned(), Arc::clone(&caller));
            if let Some(login) = &config.login {
                callers.by_login.insert(login.clone(), caller);
            }
        }
        callers
    }

    /// Who has this key. The hash is random to whoever does not know the key, so that the time the look-up
    /// takes tells nothing.
    pub fn by_key(&self, key: &str, now: Timestamp) -> Result<Arc<Caller>, AuthFailure> {
        let key = ApiKey::parse(key).ok_or(AuthFailure::Malformed)?;
        let caller = self.by_hash.get(&key.hash()).ok_or(AuthFailure::Unknown)?;
        caller.is_good(now)?;
        Ok(Arc::clone(caller))
    }

    /// Tells these from those of another configuration.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The same, for a caller who gives its name, or its `login`, with the key.
    pub fn by_login(&self, login: &str, key: &str, now: Timestamp) -> Result<Arc<Caller>, AuthFailure> {
        let caller = self.by_key(key, now)?;
        let named = self.by_login.get(login);
        if named.is_some_and(|named| Arc::ptr_eq(named, &caller)) { Ok(caller) } else { Err(AuthFailure::OtherCaller) }
    }
}
