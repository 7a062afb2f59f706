//! The limits on requests that are processed concurrently (CONTRACT, 4.4).

use axum::extract::Request;

use crate::{
    http::{context::RequestContext, problem::Problem},
    limits::InFlightLimit,
    model::Route,
};

/// Acquires a permit of `limits.max_in_flight`, which the request holds until its response is ready.
pub(super) fn acquire(context: &RequestContext, _: Route, _: &Request) -> Result<(), Problem> {
    hold(context, &context.state().in_flight)
}

/// Acquires a permit for a login. Logins have a limit of their own, so that clients without a key cannot take the
/// permits of those that have one.
pub(super) fn acquire_login(context: &RequestContext, _: Route, _: &Request) -> Result<(), Problem> {
    hold(context, &context.state().logins)
}

fn hold(context: &RequestContext, limit: &InFlightLimit) -> Result<(), Problem> {
    let permit = limit.try_acquire().ok_or_else(Problem::overloaded)?;
    context.facts().permit = Some(permit);
    Ok(())
}
