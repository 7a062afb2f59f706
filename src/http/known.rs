use axum::http::HeaderValue;

use super::admit::limit_policy;
use crate::{
    callers::Callers,
    clock::SharedClock,
    config::{CallerConfig, RateLimit},
    limits::CallerLimits,
};

/// The callers of one configuration, and what belongs to each by its place. Taken once at a request's start.
pub(super) struct Known {
    pub(super) callers: Callers,
    pub(super) limits: CallerLimits,
    /// Each caller's `RateLimit-Policy`.
    pub(super) policies: Vec<HeaderValue>,
}

impl Known {
    /// What is known from now on. Of who was there `before`, what it has spent of its limit and when it was last used
    /// stay known.
    pub(super) fn new(
        callers: &[CallerConfig],
        default: &RateLimit,
        clock: &SharedClock,
        before: Option<&Self>,
    ) -> Self {
        let limits = CallerLimits::new(callers, default, clock.clone(), before.map(|before| &before.limits));
        Self {
            callers: Callers::new(callers, before.map(|before| &before.callers)),
            policies: limits.quotas().map(limit_policy).collect(),
            limits,
        }
    }
}
