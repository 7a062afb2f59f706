use std::sync::{Arc, OnceLock};

use axum::http::HeaderValue;
use serde_json::Value;

use super::{docs::Docs, openapi, settings::Settings, static_asset::StaticAsset};
use crate::{
    auth::Callers,
    clock::SharedClock,
    config::{CacheConfig, Config, RouteConfig},
    limits::{AuthFailures, CallerLimits, Quota},
    model::Further,
};

/// The callers and limits of one configuration, and what belongs to each caller by its place. Taken once at a request's
/// start.
pub(crate) struct ConfigSnapshot {
    pub(crate) callers: Callers,
    pub(crate) limits: CallerLimits,
    /// Each caller's `RateLimit-Policy`.
    pub(crate) policies: Vec<HeaderValue>,
    /// Outlives a reload that does not change its limit.
    pub(crate) auth_failures: Arc<AuthFailures>,
    /// Queues that one request may name.
    pub(crate) max_queues: usize,
    /// How long answers are good, for those who describe it.
    freshness: CacheConfig,
    routes: Vec<RouteConfig>,
    /// Made when they are first asked for.
    openapi: OnceLock<StaticAsset>,
    docs: OnceLock<Docs>,
}

impl ConfigSnapshot {
    /// What is known from now on. Of who was there `before`, what it has spent of its limit and when it was last used
    /// stay known.
    pub(crate) fn new(config: &Config, clock: &SharedClock, before: Option<&Self>) -> Self {
        let (callers, default) = (&config.callers, &config.limits.default);
        let limits = CallerLimits::new(callers, default, clock.clone(), before.map(|before| &before.limits));
        let limit = &config.limits.auth_failures;
        let same = before.map(|before| &before.auth_failures).filter(|failures| failures.limit() == limit);
        Self {
            callers: Callers::new(callers, before.map(|before| &before.callers)),
            auth_failures: same.map_or_else(|| Arc::new(AuthFailures::new(limit, clock.clone())), Arc::clone),
            max_queues: config.limits.max_queues_per_request.get(),
            policies: limits.quotas().map(rate_limit_policy).collect(),
            limits,
            freshness: config.cache.clone(),
            routes: config.routes.clone(),
            openapi: OnceLock::new(),
            docs: OnceLock::new(),
        }
    }

    /// The description of what is served now.
    pub(crate) fn openapi(&self, settings: &Settings) -> &StaticAsset {
        let made = || StaticAsset::new("application/json", format!("{:#}\n", self.described(settings)));
        self.openapi.get_or_init(made)
    }

    /// The same, as pages for people.
    pub(crate) fn docs(&self, settings: &Settings) -> &Docs {
        self.docs.get_or_init(|| Docs::new(&self.described(settings)))
    }

    /// What holds of a further route now; `None` if the configuration has it no more.
    pub(crate) fn custom_route(&self, route: &Further) -> Option<&RouteConfig> {
        self.routes.iter().find(|config| config.is_source_of(route))
    }

    fn described(&self, settings: &Settings) -> Value {
        openapi::document(settings, self.max_queues, &self.freshness, &self.routes)
    }
}

/// Returns a caller's `RateLimit-Policy`, which is the same for all its requests.
fn rate_limit_policy(quota: Quota) -> HeaderValue {
    let policy = format!("\"{}\";q={};w={}", quota.name, quota.burst, quota.window);
    // A word and two numbers are always a field's value.
    HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static(""))
}
