use std::collections::HashSet;

use super::AuthFailure;
use crate::{
    config::CallerConfig,
    model::{CallerName, CompanyId, Query, QueueId, Scope},
};

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
    expires: Option<jiff::Timestamp>,
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
    pub(super) fn new(config: &CallerConfig, index: usize) -> Self {
        Self {
            name: config.name.clone(),
            index,
            may_refresh: config.may_refresh,
            enabled: config.enabled,
            expires: config.expires,
            scopes: config.scopes.clone(),
            companies: config.companies.as_ref().map(|all| all.iter().copied().collect()),
            queues: config.queues.as_ref().map(|all| all.iter().cloned().collect()),
        }
    }

    /// Whether its keys are good now.
    pub(super) fn is_good(&self, now: jiff::Timestamp) -> Result<(), AuthFailure> {
        if !self.enabled {
            return Err(AuthFailure::Disabled);
        }
        if self.expires.is_some_and(|end| now >= end) {
            return Err(AuthFailure::Expired);
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

    /// Whether it may have the company and every queue that `query` names. Says the same of a foreign one and
    /// of one that does not exist.
    pub fn may_ask(&self, query: &Query) -> Result<(), Forbidden> {
        if let (Some(mine), Some(company)) = (&self.companies, query.company())
            && !mine.contains(&company)
        {
            return Err(Forbidden::Company(company));
        }
        let Some(mine) = &self.queues else { return Ok(()) };
        let foreign = |(i, queue)| (!mine.contains(queue)).then_some(i);
        let foreign: Vec<usize> = query.queues().iter().enumerate().filter_map(foreign).collect();
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
