use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use jiff::Timestamp;

use super::{ApiKey, Caller, Credential, Identity, Sessions, session::KeyMark};
use crate::config::CallerConfig;

/// All who may call, found by the hash of their key.
pub struct Callers {
    /// No two have the same.
    number: u64,
    all: Vec<Arc<Caller>>,
    by_hash: HashMap<[u8; 32], Arc<Caller>>,
    by_login: HashMap<String, Arc<Caller>>,
}

/// Who showed a key, and which.
pub struct Shown {
    /// The caller.
    pub caller: Arc<Caller>,
    key: KeyMark,
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
    /// No session of ours, or of a caller or key that is there no more.
    SessionUnknown,
    /// A session's time is over.
    SessionExpired,
    /// A session was ended.
    SessionEnded,
    /// A session stands where only a key may.
    SessionMisplaced,
}

impl AuthFailure {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::Malformed,
        Self::Unknown,
        Self::Expired,
        Self::Disabled,
        Self::OtherCaller,
        Self::SessionUnknown,
        Self::SessionExpired,
        Self::SessionEnded,
        Self::SessionMisplaced,
    ];

    /// A word for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Disabled => "disabled",
            Self::OtherCaller => "other_caller",
            Self::SessionUnknown => "session_unknown",
            Self::SessionExpired => "session_expired",
            Self::SessionEnded => "session_ended",
            Self::SessionMisplaced => "session_misplaced",
        }
    }
}

/// Every session is a JWT, and no key is.
const JWT: &str = "eyJ";

impl Callers {
    /// Those of the configuration, which has seen to it that no two share a name or a hash. Who was there `before` was
    /// last seen when it was.
    pub fn new(configs: &[CallerConfig], before: Option<&Self>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut callers = Self { number, all: Vec::new(), by_hash: HashMap::new(), by_login: HashMap::new() };
        for (index, config) in configs.iter().enumerate() {
            let earlier = before.and_then(|before| before.all.iter().find(|earlier| earlier.name == config.name));
            let caller = Arc::new(Caller::new(config, index, earlier.and_then(|earlier| earlier.last_used())));
            for hash in &config.key_hashes {
                callers.by_hash.insert(*hash.as_bytes(), Arc::clone(&caller));
            }
            callers.by_login.insert(config.name.as_str().to_owned(), Arc::clone(&caller));
            if let Some(login) = &config.login {
                callers.by_login.insert(login.clone(), Arc::clone(&caller));
            }
            callers.all.push(caller);
        }
        callers
    }

    /// All of them, in the order of the configuration.
    pub fn all(&self) -> &[Arc<Caller>] {
        &self.all
    }

    /// Who has this key. The hash is random to whoever does not know the key, so that the time the look-up
    /// takes tells nothing.
    pub fn by_key(&self, key: &str, now: Timestamp) -> Result<Shown, AuthFailure> {
        let shown = self.find(key)?;
        shown.caller.is_good(now)?;
        Ok(shown)
    }

    fn find(&self, key: &str) -> Result<Shown, AuthFailure> {
        let key = ApiKey::parse(key).ok_or(AuthFailure::Malformed)?;
        let hash = key.hash();
        let caller = self.by_hash.get(&hash).ok_or(AuthFailure::Unknown)?;
        Ok(Shown { caller: Arc::clone(caller), key: mark(&hash) })
    }

    /// The same, for a caller who gives its name, or its `login`, with the key.
    pub fn by_login(&self, login: &str, key: &str, now: Timestamp) -> Result<Shown, AuthFailure> {
        let shown = self.find(key)?;
        let named = self.by_login.get(login);
        if !named.is_some_and(|named| Arc::ptr_eq(named, &shown.caller)) {
            return Err(AuthFailure::OtherCaller);
        }
        // Last: who is found good was just used.
        shown.caller.is_good(now)?;
        Ok(shown)
    }

    /// Who shows this key or session.
    pub fn identify(
        &self,
        sessions: &Sessions,
        credential: Credential<'_>,
        now: Timestamp,
    ) -> Result<Identity, AuthFailure> {
        let Credential { text, may_be_session } = credential;
        if !text.starts_with(JWT) {
            return Ok(Identity { caller: self.by_key(text, now)?.caller, session: None });
        }
        if !may_be_session {
            return Err(AuthFailure::SessionMisplaced);
        }
        let session = sessions.read(text).ok_or(AuthFailure::SessionUnknown)?;
        sessions.is_good(&session, now)?;
        let of_session = |caller: &&Arc<Caller>| caller.name == session.caller && caller.has_key(session.key);
        let caller = self.all.iter().find(of_session).ok_or(AuthFailure::SessionUnknown)?;
        caller.is_good(now)?;
        Ok(Identity { caller: Arc::clone(caller), session: Some(session) })
    }

    /// A session for who showed a key.
    ///
    /// # Errors
    /// The system has no entropy.
    pub fn begin_session(
        &self,
        sessions: &Sessions,
        shown: &Shown,
        now: Timestamp,
    ) -> Result<String, getrandom::Error> {
        sessions.begin(&shown.caller.name, shown.key, now)
    }

    /// Tells these from those of another configuration.
    pub(super) fn number(&self) -> u64 {
        self.number
    }
}

pub(super) fn mark(hash: &[u8; 32]) -> KeyMark {
    let mut mark = KeyMark::default();
    mark.iter_mut().zip(hash).for_each(|(to, from)| *to = *from);
    mark
}
