use std::{
    collections::HashSet,
    sync::atomic::{AtomicI64, Ordering},
};

use jiff::Timestamp;

use super::{AuthFailure, registry::mark, session::KeyMark};
use crate::{
    config::CallerConfig,
    model::{CallerName, CompanyId, QueueId, Scope},
};

const NEVER: i64 = i64::MIN;

/// An app with a key, and what it may ask for.
#[derive(Debug)]
pub struct Caller {
    /// Its name.
    pub name: CallerName,
    /// Its place in the configuration: where its limiter stands.
    pub index: usize,
    /// Whether its `Cache-Control` is honoured.
    pub may_refresh: bool,
    enabled: bool,
    expires: Option<Timestamp>,
    keys: Vec<KeyMark>,
    /// In seconds since 1970; the least number: never.
    last_used: AtomicI64,
    scopes: Vec<Scope>,
    companies: Option<HashSet<CompanyId>>,
    queues: Option<HashSet<QueueId>>,
}

/// What a caller may not have.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// The route's scope.
    #[error("this key does not have the scope {0}")]
    Scope(Scope),
    /// The company it asks for.
    #[error("this key may not ask for company {0}")]
    Company(CompanyId),
    /// Some of the queues it asks for, by their places in the request.
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
            keys: config.key_hashes.iter().map(|hash| mark(hash.as_bytes())).collect(),
            last_used: AtomicI64::new(last_used.map_or(NEVER, Timestamp::as_second)),
            scopes: config.scopes.clone(),
            companies: config.companies.as_ref().map(|all| all.iter().copied().collect()),
            queues: config.queues.as_ref().map(|all| all.iter().cloned().collect()),
        }
    }

    /// When it last showed a good credential, to the second.
    pub fn last_used(&self) -> Option<Timestamp> {
        Timestamp::from_second(self.last_used.load(Ordering::Relaxed)).ok()
    }

    /// Whether its keys work at all.
    pub fn enabled(&self) -> bool {
        self.enabled
    }

    /// When its keys cease to work.
    pub fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    /// What it may ask for.
    pub fn scopes(&self) -> &[Scope] {
        &self.scopes
    }

    pub(super) fn has_key(&self, mark: KeyMark) -> bool {
        self.keys.contains(&mark)
    }

    /// Whether its keys are good now. If they are, it was just used.
    pub(super) fn is_good(&self, now: Timestamp) -> Result<(), AuthFailure> {
        if !self.enabled {
            return Err(AuthFailure::Disabled);
        }
        if self.expires.is_some_and(|end| now >= end) {
            return Err(AuthFailure::Expired);
        }
        // Looked at first: what all read and nobody writes is read the fastest.
        if self.last_used.load(Ordering::Relaxed) != now.as_second() {
            self.last_used.store(now.as_second(), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Whether it may use a route that needs `scope`.
    pub fn may_use(&self, scope: Option<Scope>) -> Result<(), Forbidden> {
        match scope {
            Some(scope) if !self.scopes.contains(&scope) => Err(Forbidden::Scope(scope)),
            _ => Ok(()),
        }
    }

    /// Checks the right to a query's company and to each of its queues. The result for a foreign one and for one that does
    /// not exist is the same.
    pub fn may_ask(&self, company: Option<CompanyId>, queues: &[QueueId]) -> Result<(), Forbidden> {
        if let (Some(mine), Some(company)) = (&self.companies, company)
            && !mine.contains(&company)
        {
            return Err(Forbidden::Company(company));
        }
        let Some(mine) = &self.queues else { return Ok(()) };
        let foreign = |(i, queue)| (!mine.contains(queue)).then_some(i);
        let foreign: Vec<usize> = queues.iter().enumerate().filter_map(foreign).collect();
        if foreign.is_empty() { Ok(()) } else { Err(Forbidden::Queues(foreign)) }
    }

    /// Whether no queue is kept from it.
    pub fn sees_all_queues(&self) -> bool {
        self.queues.is_none()
    }

    /// The companies it may see; `None` is all.
    pub fn companies(&self) -> Option<&HashSet<CompanyId>> {
        self.companies.as_ref()
    }
}
