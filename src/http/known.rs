use std::sync::{Arc, OnceLock};

use axum::http::HeaderValue;

use super::{admit::limit_policy, app::Settings, openapi::OpenApi};
use crate::{
    callers::Callers,
    clock::SharedClock,
    config::Config,
    limits::{AuthFailures, CallerLimits},
};

/// The callers and limits of one configuration, and what belongs to each caller by its place. Taken once at a request's
/// start.
pub(super) struct Known {
    pub(super) callers: Callers,
    pub(super) limits: CallerLimits,
    /// Each caller's `RateLimit-Policy`.
    pub(super) policies: Vec<HeaderValue>,
    /// Outlives a reload that does not change its limit.
    pub(super) auth_failures: Arc<AuthFailures>,
    /// Queues that one request may name.
    pub(super) max_queues: usize,
    /// Made when it is first asked for.
    openapi: OnceLock<OpenApi>,
}

impl Known {
    /// What is known from now on. Of who was there `before`, what it has spent of its limit and when it was last used
    /// stay known.
    pub(super) fn new(config: &Config, clock: &SharedClock, before: Option<&Self>) -> Self {
        let (callers, default) = (&config.callers, &config.limits.default);
        let limits = CallerLimits::new(callers, default, clock.clone(), before.map(|before| &before.limits));
        let limit = &config.limits.auth_failures;
        let same = before.map(|before| &before.auth_failures).filter(|failures| failures.limit() == limit);
        Self {
            callers: Callers::new(callers, before.map(|before| &before.callers)),
            auth_failures: same.map_or_else(|| Arc::new(AuthFailures::new(limit, clock.clone())), Arc::clone),
            max_queues: config.limits.max_queues_per_request.get(),
            policies: limits.quotas().map(limit_policy).collect(),
            limits,
            openapi: OnceLock::new(),
        }
    }

    /// The description of what is served now.
    pub(super) fn openapi(&self, settings: &Settings) -> &OpenApi {
        self.openapi.get_or_init(|| OpenApi::new(settings, self.max_queues))
    }
}
