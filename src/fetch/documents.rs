use std::{sync::Arc, time::Duration};

use super::{
    Policies,
    served::{Failure, FetchError, Forwarded, Found, Served},
};
use crate::{
    cache::{Entry, Flights, Freshness, Full, Joined, Phase, Store, freshness},
    clock::SharedClock,
    config::CacheConfig,
    model::{PartKey, Query},
    telemetry::events,
    upstream::{Called, Effort, Patience, UpstreamError, Wesal},
};

/// Whole documents: held, fetched once, or served stale.
pub struct Documents {
    shared: Arc<Shared>,
    flights: Arc<Flights<Landed>>,
}

struct Shared {
    store: Store,
    policies: Policies,
    wesal: Arc<Wesal>,
    clock: SharedClock,
}

#[derive(Clone)]
struct Landed {
    result: Result<Arc<Entry>, UpstreamError>,
    effort: Effort,
}

impl Documents {
    /// `max_flights` fetches at most run at once.
    pub fn new(config: &CacheConfig, max_flights: usize, wesal: Arc<Wesal>, clock: SharedClock) -> Self {
        let policies = Policies::new(config);
        let store = Store::new(config.capacity.bytes(), policies.longest_life());
        Self { shared: Arc::new(Shared { store, policies, wesal, clock }), flights: Flights::new(max_flights) }
    }

    /// The answer to `query`. Whether the caller may have it must have been decided before.
    pub async fn get(&self, query: &Query) -> Result<Served, Failure> {
        let key = query.part_key();
        let Some(held) = self.shared.store.get(&key) else {
            return self.fetched(query, &key, self.shared.forwarded_without(&key)).await;
        };
        match self.shared.judge(&key, &held) {
            Freshness::Fresh { left } => Ok(self.shared.serve(held, Found::Hit { left }, Effort::default())),
            Freshness::StaleWhileRevalidate { past } => {
                // Who waits for the refresh is nobody; a board that is full means that it runs a little later.
                let _ = self.join(query, &key, true);
                Ok(self.shared.serve(held, Found::StaleWhileRevalidate { past }, Effort::default()))
            }
            Freshness::StaleIfError { .. } => match self.fetched(query, &key, Forwarded::Stale).await {
                Err(failure) => self.shared.instead(&key, held, failure),
                served => served,
            },
            Freshness::Gone => self.fetched(query, &key, self.shared.forwarded_without(&key)).await,
        }
    }

    /// Whether anything is held that may be served, at least if the vendor fails.
    pub fn holds_servable(&self) -> bool {
        let usable = |key: &PartKey, entry: &Entry| !matches!(self.shared.judge(key, entry), Freshness::Gone);
        self.shared.store.any(usable)
    }

    /// Gives memory back. To be called about each second.
    pub fn tidy(&self) {
        self.shared.store.tidy();
    }

    async fn fetched(&self, query: &Query, key: &PartKey, forwarded: Forwarded) -> Result<Served, Failure> {
        let failed = |error: FetchError, effort| Failure { error, effort };
        let (waiter, collapsed) = match self.join(query, key, forwarded == Forwarded::Stale) {
            Ok(Joined::Held((entry, left))) => {
                return Ok(self.shared.serve(entry, Found::Hit { left }, Effort::default()));
            }
            Ok(Joined::Leads(waiter)) => (waiter, false),
            Ok(Joined::Follows(waiter)) => (waiter, true),
            Err(full) => return Err(failed(full.into(), Effort::default())),
        };
        let landed = waiter.landed().await.map_err(|lost| failed(lost.into(), Effort::default()))?;
        // The cost is told once, of the request that caused it.
        let effort = if collapsed { Effort::default() } else { landed.effort };
        let entry = landed.result.map_err(|error| failed(error.into(), effort))?;
        let stored = match self.shared.judge(key, &entry) {
            Freshness::Fresh { left } => Some(left),
            _ => None,
        };
        Ok(self.shared.serve(entry, Found::Fetched { forwarded, collapsed, stored }, effort))
    }

    fn join(
        &self,
        query: &Query,
        key: &PartKey,
        stale_stands_by: bool,
    ) -> Result<Joined<Landed, (Arc<Entry>, Duration)>, Full> {
        let held = || {
            let entry = self.shared.store.get(key)?;
            match self.shared.judge(key, &entry) {
                Freshness::Fresh { left } => Some((entry, left)),
                _ => None,
            }
        };
        let patience = if stale_stands_by { Patience::None } else { Patience::Waits };
        let fetch = || {
            let (shared, key, interval) = (Arc::clone(&self.shared), key.clone(), query.interval());
            async move {
                let began = shared.clock.now();
                let Called { result, effort } = shared.wesal.call(&key, patience).await;
                let result = result.map(|answer| {
                    let phase = shared.policies.phase(interval, answer.began_at);
                    Arc::new(Entry::new(answer.body, answer.began, phase))
                });
                match &result {
                    Ok(entry) => shared.keep(&key, entry),
                    // The caller's own doing, and told to the caller; what was held until now is refused too.
                    Err(UpstreamError::Rejected(_)) => shared.store.remove(&key, began),
                    Err(error) => events::vendor_call_failed(key.route().template(), error, effort.calls),
                }
                Landed { result, effort }
            }
        };
        self.flights.join(key, held, fetch)
    }
}

impl Shared {
    fn judge(&self, key: &PartKey, entry: &Entry) -> Freshness {
        match self.policies.of(key.route(), entry.phase) {
            Some(policy) => freshness(entry.began, self.clock.now(), &policy),
            None => Freshness::Gone,
        }
    }

    fn keep(&self, key: &PartKey, entry: &Arc<Entry>) {
        if self.policies.of(key.route(), entry.phase).is_some_and(|policy| !policy.ttl.is_zero()) {
            self.store.put(key, Arc::clone(entry));
        }
    }

    /// What may be served although the vendor failed, judged after the wait for it: the window may have
    /// ended meanwhile. A refusal of the request itself is never papered over.
    fn instead(&self, key: &PartKey, held: Arc<Entry>, failure: Failure) -> Result<Served, Failure> {
        let may_stand_in = match &failure.error {
            FetchError::Upstream(UpstreamError::Rejected(_)) => false,
            FetchError::Upstream(_) | FetchError::Full(_) | FetchError::Lost(_) => true,
        };
        match self.judge(key, &held) {
            Freshness::StaleWhileRevalidate { past } | Freshness::StaleIfError { past } if may_stand_in => {
                Ok(self.serve(held, Found::StaleIfError { past }, failure.effort))
            }
            _ => Err(failure),
        }
    }

    fn forwarded_without(&self, key: &PartKey) -> Forwarded {
        match self.policies.of(key.route(), Phase::Open) {
            Some(policy) if !policy.ttl.is_zero() => Forwarded::UriMiss,
            _ => Forwarded::Bypass,
        }
    }

    fn serve(&self, entry: Arc<Entry>, found: Found, effort: Effort) -> Served {
        let age = self.clock.now().since(entry.began);
        Served { entry, age, found, effort }
    }
}
