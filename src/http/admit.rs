//! Steps 2 and 3 of a request's journey, before its body is read: who calls, have they asked too often, and
//! may they use this route at all.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{
    access_log::Template,
    app::{App, PeerAddress},
    code::Code,
    credential::credential,
    problem::Problem,
};
use crate::{
    callers::{AuthFailure, Caller},
    limits::Standing,
    model::Route,
    telemetry::events,
};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The known caller of a request, among its extensions; on the response, for the log line.
pub(super) type Admitted = Arc<Caller>;

/// Lets a known caller through to `route`, and tells it of its limit whatever comes of the request.
pub(super) async fn admit(State((app, route)): State<(Arc<App>, Route)>, mut request: Request, next: Next) -> Response {
    let template = Extension(Template(route.template()));
    let caller = match authenticate(&app, route, &request) {
        Ok(caller) => caller,
        Err(problem) => return (template, problem).into_response(),
    };
    let counted = count(&app, &caller);
    let allowed = counted.refusal().map_or(Ok(()), Err).and_then(|()| Ok(caller.may_use(route.scope())?));
    let mut response = match (allowed, app.in_flight.try_acquire()) {
        (Err(problem), _) => problem.into_response(),
        (Ok(()), Err(_)) => Problem::overloaded().into_response(),
        (Ok(()), Ok(_permit)) => {
            request.extensions_mut().insert(Arc::clone(&caller));
            next.run(request).await
        }
    };
    counted.tell(response.headers_mut());
    response.extensions_mut().insert(caller);
    (template, response).into_response()
}

fn authenticate(app: &App, route: Route, request: &Request) -> Result<Admitted, Problem> {
    let credential = credential(route, request.headers())?;
    let found = app.callers.by_key(credential, app.clock.wall());
    found.map_err(|failure| {
        // Every session is a JWT, and no key is.
        let code = if credential.starts_with("eyJ") { Code::InvalidSession } else { Code::InvalidKey };
        refuse(app, peer(request), failure, code)
    })
}

/// The answer to a credential that is not good. Counts it against the address it came from.
pub(super) fn refuse(app: &App, peer: IpAddr, failure: AuthFailure, code: Code) -> Problem {
    events::credential_refused(failure.as_str(), peer);
    if let Err(wait) = app.auth_failures.count(peer) {
        let detail =
            "Too many wrong credentials came from this address. Check the key, and try again after Retry-After.";
        return Problem::new(Code::TooManyAuthFailures, detail).retry_after(wait);
    }
    let detail = match (code, failure) {
        (Code::InvalidSession, _) => "This session is unknown, has ended, or has expired. Log in again.",
        (_, AuthFailure::Malformed) => "This is not a gateway key: mistyped, cut short, or another system's.",
        (_, AuthFailure::OtherCaller) => {
            "The email and the password do not belong together: give the app's name and its key."
        }
        (_, AuthFailure::Unknown | AuthFailure::Expired | AuthFailure::Disabled) => {
            "This key is unknown, has expired, or is switched off. Ask who runs the gateway."
        }
    };
    Problem::new(code, detail)
}

/// Who is at the other end of the connection.
pub(super) fn peer(request: &Request) -> IpAddr {
    request.extensions().get::<PeerAddress>().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0.ip())
}

/// How a caller stands after this request.
pub(super) struct Counted(Option<Standing>);

/// Counts a request against its caller's limit.
pub(super) fn count(app: &App, caller: &Caller) -> Counted {
    Counted(app.limits.count(caller.index))
}

impl Counted {
    /// The 429, if the limit is spent.
    pub(super) fn refusal(&self) -> Option<Problem> {
        let standing = self.0.filter(|standing| !standing.admitted)?;
        let detail = format!(
            "This key may make {} requests at once, and that many again in {} seconds. Try again after Retry-After.",
            standing.quota.burst, standing.quota.window
        );
        Some(Problem::new(Code::RateLimited, detail).retry_after(Duration::from_secs(standing.reset)))
    }

    /// Writes the fields of draft-ietf-httpapi-ratelimit-headers.
    pub(super) fn tell(&self, headers: &mut HeaderMap) {
        let Some(Standing { quota, remaining, reset, .. }) = self.0 else { return };
        let policy = format!("\"{}\";q={};w={}", quota.name, quota.burst, quota.window);
        let limit = format!("\"{}\";r={remaining};t={reset}", quota.name);
        for (name, value) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, limit)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
    }
}
