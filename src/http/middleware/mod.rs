//! The layers around every request of the public listener, and around the mirrored routes.
//!
//! The layers are generic types: none of them allocates a future. tower-http's sensitive-headers is on the admin listener
//! alone: nothing prints a request here, and it would make a cache hit 3 % more instructions. Layers that only check are tower-http's
//! [`ValidateRequestHeaderLayer`] with a function of ours.

pub(super) mod auth;
pub(crate) mod host;
pub(super) mod in_flight;
pub(super) mod rate_limit;
pub(crate) mod request_id;
pub(super) mod request_log;
pub(super) mod shutdown;
pub(super) mod trace_context;

use std::{any::Any, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::Request,
    handler::Handler,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    set_header::SetResponseHeaderLayer,
    validate_request::{ValidateRequest, ValidateRequestHeaderLayer},
};

use super::{
    context::{HttpService, RequestContext},
    problem::Problem,
    state::{AppState, Lifecycle},
};
use crate::model::Route;
use request_log::RequestLogLayer;
use shutdown::ShutdownLayer;

/// Returns the router with everything that is around it, outermost first.
pub(super) fn around(state: &Arc<AppState>, router: Router) -> impl HttpService + use<> {
    let draining = Arc::clone(state);
    let close_while_draining =
        move |_: &Response| (draining.lifecycle() > Lifecycle::Serving).then(|| HeaderValue::from_static("close"));
    ServiceBuilder::new()
        // Nothing leaves without an id and a log event, and a client that disconnects has one too. Errors of every layer
        // below become problem documents here, with the request's id.
        .layer(RequestLogLayer::new(state))
        // HTTP/1.1 clients open a new connection, at another replica.
        .layer(SetResponseHeaderLayer::if_not_present(header::CONNECTION, close_while_draining))
        // What is unfinished at the end of the drain gets 503.
        .layer(ShutdownLayer)
        // A panic is one request's 500.
        .map_response(|response: Response<_>| response.map(Body::new))
        .layer(CatchPanicLayer::custom(respond_to_panic))
        // Before routing: behind a request that two readers may take to be for two hosts, nothing is looked at.
        .layer(ValidateRequestHeaderLayer::custom(host::validate))
        .service(router)
}

/// Returns a mirrored route's handler with the layers before it, outermost first. They are inside the router, so that
/// 404 and 405 come before 401.
pub(super) fn admitted<H, T>(route: Route, handler: H) -> impl HttpService + use<H, T>
where
    H: Handler<T, ()> + Sync,
    T: 'static,
{
    let check = |check| ValidateRequestHeaderLayer::custom(Check { route, check });
    ServiceBuilder::new()
        .layer(check(auth::authenticate))
        // Before the rights: a refusal counts, too.
        .layer(check(rate_limit::check))
        .layer(check(auth::authorize))
        // Last, so that a refused request takes no permit.
        .layer(check(in_flight::acquire))
        .service(handler.with_state(()))
}

/// Returns the login's handler with the layer before it. A session begins there, so there is no credential to check.
pub(super) fn login<H, T>(handler: H) -> impl HttpService + use<H, T>
where
    H: Handler<T, ()> + Sync,
    T: 'static,
{
    let check = Check { route: Route::Login, check: in_flight::acquire_login };
    ServiceBuilder::new().layer(ValidateRequestHeaderLayer::custom(check)).service(handler.with_state(()))
}

/// A check of a request for a route, before its body is read.
#[derive(Clone, Copy)]
struct Check {
    route: Route,
    check: fn(&RequestContext, Route, &Request) -> Result<(), Problem>,
}

impl ValidateRequest<Body> for Check {
    type ResponseBody = Body;

    fn validate(&mut self, request: &mut Request) -> Result<(), Response> {
        let context = request.extensions().get::<RequestContext>().ok_or_else(Problem::internal);
        context.and_then(|context| (self.check)(context, self.route, request)).map_err(IntoResponse::into_response)
    }
}

/// The panic was logged where it arose. Its message can hold anything, and is not read.
pub(crate) fn respond_to_panic(_: Box<dyn Any + Send>) -> Response {
    Problem::internal().into_response()
}
