use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use jiff::Timestamp;

use super::{ApiKey, Caller, Credential, Identity, SessionError, Sessions, session::KeyFingerprint};
use crate::config::CallerConfig;

/// The configured callers, found by the hash of their key.
pub struct Callers {
    /// Unique to each instance.
    generation: u64,
    all: Vec<Arc<Caller>>,
    by_hash: HashMap<[u8; 32], Arc<Caller>>,
    by_login: HashMap<String, Arc<Caller>>,
}

/// A verified key and its caller.
pub struct VerifiedKey {
    /// The caller.
    pub caller: Arc<Caller>,
    key: KeyFingerprint,
}

/// The reason why a credential is rejected, for logs and metrics. Answers to clients are less specific.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthFailure {
    /// The key's form or checksum is wrong.
    Malformed,
    /// No caller has this key.
    Unknown,
    /// The caller has expired.
    Expired,
    /// The caller is disabled.
    Disabled,
    /// The key belongs to another caller than the name that was given with it.
    CallerMismatch,
    /// The session was not issued here, or its caller or key no longer exists.
    SessionUnknown,
    /// The session has expired.
    SessionExpired,
    /// The session was revoked.
    SessionEnded,
    /// The session came in a header that accepts only keys.
    SessionInWrongHeader,
}

impl AuthFailure {
    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::Malformed,
        Self::Unknown,
        Self::Expired,
        Self::Disabled,
        Self::CallerMismatch,
        Self::SessionUnknown,
        Self::SessionExpired,
        Self::SessionEnded,
        Self::SessionInWrongHeader,
    ];

    /// Returns the value in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Disabled => "disabled",
            Self::CallerMismatch => "other_caller",
            Self::SessionUnknown => "session_unknown",
            Self::SessionExpired => "session_expired",
            Self::SessionEnded => "session_ended",
            Self::SessionInWrongHeader => "session_misplaced",
        }
    }
}

/// The start of every JWT. No key starts with it.
const JWT_PREFIX: &str = "eyJ";

impl Callers {
    /// Builds the callers of a configuration, whose validation guarantees unique names and hashes. Callers keep the last
    /// use that they had `before`.
    pub fn new(configs: &[CallerConfig], before: Option<&Self>) -> Self {
        static NEXT_GENERATION: AtomicU64 = AtomicU64::new(0);
        let generation = NEXT_GENERATION.fetch_add(1, Ordering::Relaxed);
        let mut callers = Self { generation, all: Vec::new(), by_hash: HashMap::new(), by_login: HashMap::new() };
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

    /// Returns all callers, in the order of the configuration.
    pub fn all(&self) -> &[Arc<Caller>] {
        &self.all
    }

    /// Returns the caller with this key.
    ///
    /// The lookup leaks nothing by its timing: without the key its hash cannot be predicted.
    pub fn by_key(&self, key: &str, now: Timestamp) -> Result<VerifiedKey, AuthFailure> {
        let verified = self.find(key)?;
        verified.caller.check_active(now)?;
        Ok(verified)
    }

    fn find(&self, key: &str) -> Result<VerifiedKey, AuthFailure> {
        let key = ApiKey::parse(key).ok_or(AuthFailure::Malformed)?;
        let hash = key.hash();
        let caller = self.by_hash.get(&hash).ok_or(AuthFailure::Unknown)?;
        Ok(VerifiedKey { caller: Arc::clone(caller), key: fingerprint(&hash) })
    }

    /// Returns the caller with this key if `login` is its name or its configured `login`.
    pub fn by_login(&self, login: &str, key: &str, now: Timestamp) -> Result<VerifiedKey, AuthFailure> {
        let verified = self.find(key)?;
        let named = self.by_login.get(login);
        if !named.is_some_and(|named| Arc::ptr_eq(named, &verified.caller)) {
            return Err(AuthFailure::CallerMismatch);
        }
        // Last, because it records the use.
        verified.caller.check_active(now)?;
        Ok(verified)
    }

    /// Returns the caller that a key or session belongs to.
    pub fn identify(
        &self,
        sessions: &Sessions,
        credential: Credential<'_>,
        now: Timestamp,
    ) -> Result<Identity, AuthFailure> {
        let Credential { text, may_be_session } = credential;
        if !text.starts_with(JWT_PREFIX) {
            return Ok(Identity { caller: self.by_key(text, now)?.caller, session: None });
        }
        if !may_be_session {
            return Err(AuthFailure::SessionInWrongHeader);
        }
        let session = sessions.verify(text).ok_or(AuthFailure::SessionUnknown)?;
        sessions.check_active(&session, now)?;
        let of_session = |caller: &&Arc<Caller>| caller.name == session.caller && caller.has_key(session.key);
        let caller = self.all.iter().find(of_session).ok_or(AuthFailure::SessionUnknown)?;
        caller.check_active(now)?;
        Ok(Identity { caller: Arc::clone(caller), session: Some(session) })
    }

    /// Issues a session for a verified key.
    ///
    /// # Errors
    /// The system has no entropy.
    pub fn issue_session(
        &self,
        sessions: &Sessions,
        verified: &VerifiedKey,
        now: Timestamp,
    ) -> Result<String, SessionError> {
        sessions.issue(&verified.caller.name, verified.key, now)
    }

    /// Returns a number that no other instance has.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }
}

/// Returns the first bytes of a key's hash.
pub(super) fn fingerprint(hash: &[u8; 32]) -> KeyFingerprint {
    let mut fingerprint = KeyFingerprint::default();
    fingerprint.iter_mut().zip(hash).for_each(|(to, from)| *to = *from);
    fingerprint
}
