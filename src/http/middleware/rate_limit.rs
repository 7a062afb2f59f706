//! The caller's rate limit (CONTRACT, 4.1 and 4.2).

use std::{sync::Arc, time::Duration};

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue},
};

use crate::{
    auth::Caller,
    http::{
        config_snapshot::ConfigSnapshot,
        context::{Admission, RequestContext},
        error_code::ErrorCode,
        problem::Problem,
    },
    limits::RateLimitDecision,
    model::Route,
};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Counts the request against its caller's limit.
pub(crate) fn check(context: &RequestContext, _: Route, _: &Request) -> Result<(), Problem> {
    let Admission { snapshot, identity } = context.admission()?;
    count(context, snapshot, &identity.caller)
}

/// Counts a request of `caller` against its limit.
pub(crate) fn count(context: &RequestContext, snapshot: &ConfigSnapshot, caller: &Arc<Caller>) -> Result<(), Problem> {
    let Some(decision) = snapshot.limits.check(caller.index) else { return Ok(()) };
    context.facts().rate_limit = snapshot.policies.get(caller.index).map(|policy| (policy.clone(), decision));
    if decision.admitted {
        return Ok(());
    }
    context.state().metrics.rate_limited(&caller.name);
    let detail = format!(
        "This key may make {} requests at once, and that many again in {} seconds. Try again after Retry-After.",
        decision.quota.burst, decision.quota.window
    );
    Err(Problem::new(ErrorCode::RateLimited, detail).retry_after(Duration::from_secs(decision.reset)))
}

/// Writes the fields of draft-ietf-httpapi-ratelimit-headers: the caller's limit after this request.
pub(crate) fn write_headers(policy: HeaderValue, decision: &RateLimitDecision, headers: &mut HeaderMap) {
    headers.insert(RATE_LIMIT_POLICY, policy);
    let RateLimitDecision { quota, remaining, reset, .. } = decision;
    let mut limit = String::with_capacity(40);
    limit.push('"');
    limit.push_str(quota.name);
    limit.push_str("\";r=");
    limit.push_str(itoa::Buffer::new().format(*remaining));
    limit.push_str(";t=");
    limit.push_str(itoa::Buffer::new().format(*reset));
    if let Ok(limit) = HeaderValue::try_from(limit) {
        headers.insert(RATE_LIMIT, limit);
    }
}
