//! Steps 2 and 3 of a request's journey, before its body is read: who calls, have they asked too often, and
//! may they use this route at all.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    access_log::Line,
    app::{App, Peer},
    code::Code,
    credential::credential,
    known::Known,
    problem::Problem,
};
use crate::{
    callers::{AuthFailure, Caller, Identity},
    limits::{Place, Quota, Standing},
    model::{Route, push_number},
    telemetry::events,
};

/// Why an operator's credential is refused, for logs and metrics.
pub(super) const ADMIN_TOKEN: &str = "admin_token";
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Identifies the caller of `route` and counts the request against the caller's limit.
pub(super) fn authenticate(
    app: &App,
    known: &Known,
    route: Route,
    peer: &Peer,
    headers: &HeaderMap,
    line: &mut Line<'_>,
) -> Result<Identity, Problem> {
    let credential = credential(route, headers)?;
    let now = app.clock.wall();
    let identity = peer
        .acquaintance
        .identify(&known.callers, &app.sessions, credential, now)
        .map_err(|failure| refuse(app, known, peer.address(headers), failure))?;
    peer.becomes_known();
    count(app, known, &identity.caller, line)?;
    Ok(identity)
}

/// Checks the scope that `route` requires, and acquires an in-flight permit. `known` is the snapshot that `caller` comes
/// from: a reload between the two must not combine the rights of two configurations.
pub(super) fn admit<'a>(app: &'a App, known: &Known, route: Route, caller: &Caller) -> Result<Place<'a>, Problem> {
    let scope = match route {
        Route::Further(further) => Some(known.further(further).ok_or_else(Problem::not_found)?.scope),
        route => route.scope(),
    };
    caller.may_use(scope)?;
    app.in_flight.take().ok_or_else(Problem::overloaded)
}

/// Counts a request against its caller's limit.
pub(super) fn count(app: &App, known: &Known, caller: &Arc<Caller>, line: &mut Line<'_>) -> Result<(), Problem> {
    line.caller = Some(Arc::clone(caller));
    let Some(standing) = known.limits.count(caller.index) else { return Ok(()) };
    line.standing = known.policies.get(caller.index).map(|policy| (policy.clone(), standing));
    if standing.admitted {
        return Ok(());
    }
    app.metrics.rate_limited(&caller.name);
    let detail = format!(
        "This key may make {} requests at once, and that many again in {} seconds. Try again after Retry-After.",
        standing.quota.burst, standing.quota.window
    );
    Err(Problem::new(Code::RateLimited, detail).retry_after(Duration::from_secs(standing.reset)))
}

/// The answer to a credential that is not good. Counts it against the address it came from.
pub(super) fn refuse(app: &App, known: &Known, address: IpAddr, failure: AuthFailure) -> Problem {
    use AuthFailure as F;
    if let Err(wait) = count_failure(app, known, address, failure.as_str()) {
        let detail =
            "Too many wrong credentials came from this address. Check the key, and try again after Retry-After.";
        return Problem::new(Code::TooManyAuthFailures, detail).retry_after(wait);
    }
    let (code, detail) = match failure {
        F::Malformed => (Code::InvalidKey, "This is not a gateway key: mistyped, cut short, or another system's."),
        F::OtherCaller => {
            let detail = "The email and the password do not belong together: give the app's name and its key.";
            (Code::InvalidKey, detail)
        }
        F::Unknown | F::Expired | F::Disabled => {
            let detail = "This key is unknown, has expired, or is switched off. Ask who runs the gateway.";
            (Code::InvalidKey, detail)
        }
        F::SessionUnknown | F::SessionExpired | F::SessionEnded => {
            (Code::InvalidSession, "This session is unknown, has ended, or has expired. Log in again.")
        }
        F::SessionMisplaced => (Code::InvalidSession, "A session goes into Authorization, and nowhere else."),
    };
    Problem::new(code, detail)
}

/// Counts a credential that is not good; says how long to wait if there were too many from this address. It is logged as
/// long as there are not: who goes on guessing does not fill the log.
fn count_failure(app: &App, known: &Known, address: IpAddr, reason: &'static str) -> Result<(), Duration> {
    app.metrics.auth_failure(reason);
    known.auth_failures.count(address)?;
    events::credential_refused(reason, address);
    Ok(())
}

impl App {
    /// Counts a wrong token at the operators' listener, together with the callers' wrong keys: whoever guesses one may guess
    /// the other. Says how long to wait if there were too many from this address.
    pub fn note_wrong_token(&self, from: IpAddr) -> Result<(), Duration> {
        count_failure(self, &self.known(), from, ADMIN_TOKEN)
    }
}

/// Writes the fields of draft-ietf-httpapi-ratelimit-headers: how a caller stands after this request.
pub(super) fn tell_limit(policy: HeaderValue, standing: &Standing, headers: &mut HeaderMap) {
    headers.insert(RATE_LIMIT_POLICY, policy);
    let Standing { quota, remaining, reset, .. } = standing;
    let mut limit = String::with_capacity(40);
    limit.push('"');
    limit.push_str(quota.name);
    limit.push_str("\";r=");
    push_number(u64::from(*remaining), &mut limit);
    limit.push_str(";t=");
    push_number(*reset, &mut limit);
    if let Ok(limit) = HeaderValue::try_from(limit) {
        headers.insert(RATE_LIMIT, limit);
    }
}

/// A caller's `RateLimit-Policy`, which never changes.
pub(super) fn limit_policy(quota: Quota) -> HeaderValue {
    let policy = format!("\"{}\";q={};w={}", quota.name, quota.burst, quota.window);
    // A word and two numbers are always a field's value.
    HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static(""))
}
