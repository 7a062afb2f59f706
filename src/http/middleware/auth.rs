//! Authentication and authorization of a request (CONTRACT, section 3), before its body is read.

use std::{net::IpAddr, time::Duration};

use axum::extract::Request;

use crate::{
    auth::AuthFailure,
    http::{
        config_snapshot::ConfigSnapshot,
        context::{Admission, RequestContext},
        credential::credential,
        error_code::ErrorCode,
        problem::Problem,
        state::{ADMIN_TOKEN, AppState},
    },
    model::Route,
    telemetry::events,
};

/// Identifies the caller of a request for `route`.
pub(super) fn authenticate(context: &RequestContext, route: Route, request: &Request) -> Result<(), Problem> {
    let (state, client) = (context.state(), context.client());
    let credential = credential(route, request.headers())?;
    let snapshot = state.config_snapshot();
    let identity = client
        .auth_cache
        .identify(&snapshot.callers, &state.sessions, credential, state.clock.wall())
        .map_err(|failure| auth_problem(state, &snapshot, client.address(request.headers()), failure))?;
    client.set_authenticated();
    context.admit(Admission { snapshot, identity });
    Ok(())
}

/// Checks the scope that `route` requires.
pub(super) fn authorize(context: &RequestContext, route: Route, _: &Request) -> Result<(), Problem> {
    let Admission { snapshot, identity } = context.admission()?;
    let scope = match route {
        Route::Further(custom) => Some(snapshot.custom_route(custom).ok_or_else(Problem::not_found)?.scope),
        route => route.scope(),
    };
    Ok(identity.caller.check_scope(scope)?)
}

/// Returns the problem of a refused credential, and counts it against the address that it came from.
pub(in crate::http) fn auth_problem(
    app: &AppState,
    known: &ConfigSnapshot,
    address: IpAddr,
    failure: AuthFailure,
) -> Problem {
    use AuthFailure as F;
    if let Err(wait) = record_auth_failure(app, known, address, failure.as_str()) {
        let detail =
            "Too many wrong credentials came from this address. Check the key, and try again after Retry-After.";
        return Problem::new(ErrorCode::TooManyAuthFailures, detail).retry_after(wait);
    }
    let (code, detail) = match failure {
        F::Malformed => (ErrorCode::InvalidKey, "This is not a gateway key: mistyped, cut short, or another system's."),
        F::CallerMismatch => {
            let detail = "The email and the password do not belong together: give the app's name and its key.";
            (ErrorCode::InvalidKey, detail)
        }
        F::Unknown | F::Expired | F::Disabled => {
            let detail = "This key is unknown, has expired, or is switched off. Ask who runs the gateway.";
            (ErrorCode::InvalidKey, detail)
        }
        F::SessionUnknown | F::SessionExpired | F::SessionEnded => {
            (ErrorCode::InvalidSession, "This session is unknown, has ended, or has expired. Log in again.")
        }
        F::SessionInWrongHeader => (ErrorCode::InvalidSession, "A session goes into Authorization, and nowhere else."),
    };
    Problem::new(code, detail)
}

/// Counts a refused credential. Returns how long to wait if there were too many from this address; these are not logged,
/// so that a client that keeps guessing does not fill the log.
fn record_auth_failure(
    app: &AppState,
    known: &ConfigSnapshot,
    address: IpAddr,
    reason: &'static str,
) -> Result<(), Duration> {
    app.metrics.auth_failure(reason);
    known.auth_failures.check(address)?;
    events::credential_refused(reason, address);
    Ok(())
}

impl AppState {
    /// Counts a wrong admin token, together with the callers' wrong keys: a client that guesses one may guess the other.
    /// Returns how long to wait if there were too many from this address.
    pub fn record_admin_auth_failure(&self, from: IpAddr) -> Result<(), Duration> {
        record_auth_failure(self, &self.config_snapshot(), from, ADMIN_TOKEN)
    }
}
