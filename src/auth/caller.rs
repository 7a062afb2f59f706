use std::{
    collections::HashSet,
    sync::atomic::{AtomicI64, Ordering},
};

use jiff::Timestamp;

use super::{AuthFailure, registry::fingerprint, session::KeyFingerprint};
use crate::{
    config::CallerConfig,
    model::{CallerName, CompanyId, QueueId, Scope},
};

/// The value of `last_used` before the first use.
const NEVER: i64 = i64::MIN;

/// A configured client app, with its keys and its rights.
#[derive(Debug)]
pub struct Caller {
    /// The name in the configuration.
    pub name: CallerName,
    /// The index in the configuration, also that of its rate limiter.
    pub index: usize,
    /// Whether `Cache-Control` of its requests is honoured.
    pub may_refresh: bool,
    enabled: bool,
    expires: Option<Timestamp>,
    keys: Vec<KeyFingerprint>,
    /// In seconds since 1970, or [`NEVER`].
    last_used: AtomicI64,
    scopes: Vec<Scope>,
    companies: Option<HashSet<CompanyId>>,
    queues: Option<HashSet<QueueId>>,
}

/// The right that a caller lacks.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// The scope that the route requires.
    #[error("this key does not have the scope {0}")]
    Scope(Scope),
    /// The company of the query.
    #[error("this key may not ask for company {0}")]
    Company(CompanyId),
    /// Some queues of the query, by their indices in the request.
    #[error("this key may not ask for some of these queues")]
    Queues(Vec<usize>),
}

impl Caller {
    pub(super) fn new(config: &CallerConfig, index: usize, last_used: Option<Timestamp>) -> Self {
        Self {
            name: config.name.clone(),
            index,
            may_refresh: config.may_refresh,
            enabled: config.enabled,
            expires: config.expires,
            keys: config.key_hashes.iter().map(|hash| fingerprint(hash.as_bytes())).collect(),
            last_used: AtomicI64::new(last_used.map_or(NEVER, Timestamp::as_second)),
            scopes: config.scopes.clone(),
            companies: config.companies.as_ref().map(|all| all.iter().copied().collect()),
            queues: config.queues.as_ref().map(|all| all.iter().cloned().collect()),
        }
    }

    /// Returns when the caller was last authenticated, to the second.
    pub fn last_used(&self) -> Option<Timestamp> {
        Timestamp::from_second(self.last_used.load(Ordering::Relaxed)).ok()
    }

    /// Returns whether the caller is enabled.
    pub fn enabled(&self) -> bool {
        self.enabled
    }

    /// Returns when the caller's keys expire.
    pub fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    /// Returns the granted scopes.
    pub fn scopes(&self) -> &[Scope] {
        &self.scopes
    }

    pub(super) fn has_key(&self, fingerprint: KeyFingerprint) -> bool {
        self.keys.contains(&fingerprint)
    }

    /// Checks that the caller is enabled and has not expired, and records the time as its last use.
    pub(super) fn check_active(&self, now: Timestamp) -> Result<(), AuthFailure> {
        if !self.enabled {
            return Err(AuthFailure::Disabled);
        }
        if self.expires.is_some_and(|end| now >= end) {
            return Err(AuthFailure::Expired);
        }
        // Stores once a second, so that the cache line stays shared between cores.
        if self.last_used.load(Ordering::Relaxed) != now.as_second() {
            self.last_used.store(now.as_second(), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Checks the scope that a route requires.
    pub fn check_scope(&self, scope: Option<Scope>) -> Result<(), Forbidden> {
        match scope {
            Some(scope) if !self.scopes.contains(&scope) => Err(Forbidden::Scope(scope)),
            _ => Ok(()),
        }
    }

    /// Checks the right to a query's company and to each of its queues.
    ///
    /// The result does not depend on whether a company or queue exists.
    pub fn authorize(&self, company: Option<CompanyId>, queues: &[QueueId]) -> Result<(), Forbidden> {
        if let (Some(allowed), Some(company)) = (&self.companies, company)
            && !allowed.contains(&company)
        {
            return Err(Forbidden::Company(company));
        }
        let Some(allowed) = &self.queues else { return Ok(()) };
        let forbidden = |(i, queue)| (!allowed.contains(queue)).then_some(i);
        let forbidden: Vec<usize> = queues.iter().enumerate().filter_map(forbidden).collect();
        if forbidden.is_empty() { Ok(()) } else { Err(Forbidden::Queues(forbidden)) }
    }

    /// Returns whether the caller may query all queues.
    pub fn is_unrestricted(&self) -> bool {
        self.queues.is_none()
    }

    /// Returns the companies that the caller may see, or `None` if it may see all.
    pub fn companies(&self) -> Option<&HashSet<CompanyId>> {
        self.companies.as_ref()
    }
}
