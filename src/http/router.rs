//! Every route of the public listener.

use std::{pin::Pin, sync::Arc};

use axum::{
    Router,
    extract::Request,
    handler::Handler,
    http::Method,
    response::{IntoResponse, Response},
    routing::{MethodFilter, MethodRouter},
};
use tower::{ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

use super::{
    context::{HttpService, RequestContext},
    docs::Page,
    handlers::{auth, custom, docs, health, openapi, organization, questions, queues, surveys},
    middleware,
    problem::Problem,
    route_table::{Endpoint, LOGOUT_ALIAS},
    state::AppState,
};
use crate::model::{Further, Route};

/// Returns the router of the public listener.
///
/// A path is matched byte for byte, before any decoding: no spelling of a path reaches another route. The mirrored routes are
/// not nested below the base path, since axum would write a new URI for each of their requests.
pub(super) fn router(state: &Arc<AppState>) -> Router {
    let queues = |route| move |context: RequestContext, request: Request| queues::query_queues(route, context, request);
    // Without its check for the syntax of axum 0.7: the base path may have a segment that begins with `:`.
    Routes { state, router: Router::new().without_v07_checks() }
        .own(Endpoint::Liveness, health::get_liveness)
        .own(Endpoint::Readiness, health::get_readiness)
        .own(Endpoint::OpenApi, openapi::get_openapi)
        .docs()
        .login(auth::log_in)
        .mirrored(Route::Logout, auth::log_out)
        .mirrored(Route::Reset, auth::reset_password)
        .mirrored(Route::Verify, auth::verify_reset)
        .mirrored(Route::Organization, organization::get_organization)
        .mirrored(Route::Questions, questions::get_questions)
        .mirrored(Route::Surveys, surveys::query_surveys)
        .mirrored(Route::QueueSummary, queues(Route::QueueSummary))
        .mirrored(Route::QueueActivity, queues(Route::QueueActivity))
        .mirrored(Route::QueuePerformance, queues(Route::QueuePerformance))
        .router
        .fallback(custom_routes(state))
}

/// A router that is being put together. Each path gets its 405 from the table of routes, which knows that HEAD is no
/// method of the logout although GET is.
struct Routes<'a> {
    state: &'a Arc<AppState>,
    router: Router,
}

impl Routes<'_> {
    /// Adds a route of the gateway's own, which needs no credential.
    fn own<H, T>(self, endpoint: Endpoint, handler: H) -> Self
    where
        H: Handler<T, ()> + Sync,
        T: 'static,
    {
        self.add(endpoint.template(), endpoint, handler.with_state(()))
    }

    fn docs(self) -> Self {
        Page::ALL.into_iter().fold(self, |routes, page| {
            routes.own(Endpoint::Docs(page), move |context: RequestContext, request: Request| async move {
                docs::get_docs(context.state(), page, &request)
            })
        })
    }

    fn login<H, T>(self, handler: H) -> Self
    where
        H: Handler<T, ()> + Sync,
        T: 'static,
    {
        let path = self.below_base(Route::Login.template());
        self.add(&path, Endpoint::Mirrored(Route::Login), middleware::login(handler))
    }

    /// Adds a route of the vendor's reference.
    fn mirrored<H, T>(self, route: Route, handler: H) -> Self
    where
        H: Handler<T, ()> + Sync,
        T: 'static,
    {
        let service = middleware::admitted(route, handler);
        let alias = (route == Route::Logout).then_some(LOGOUT_ALIAS);
        std::iter::once(route.template()).chain(alias).fold(self, |routes, path| {
            let path = routes.below_base(path);
            routes.add(&path, Endpoint::Mirrored(route), service.clone())
        })
    }

    fn below_base(&self, path: &str) -> String {
        format!("{}{path}", self.state.settings.table.base_path)
    }

    /// Adds the one method of `endpoint` at `path`.
    fn add(self, path: &str, endpoint: Endpoint, service: impl HttpService) -> Self {
        let record = move |context: &RequestContext| context.facts().route = endpoint.template();
        let record_route = move |request: Request| {
            request.extensions().get().inspect(|context| record(context));
            request
        };
        let service = ServiceBuilder::new().map_request(record_route).service(service);
        let methods = MethodRouter::new();
        let methods =
            if endpoint.takes(&Method::GET) { methods.get_service(service) } else { methods.post_service(service) };
        let allow = self.state.settings.table.allow(path);
        let refuse = move |context: RequestContext| async move {
            record(&context);
            Problem::method_not_allowed(Some(allow))
        };
        // axum answers HEAD where it answers GET.
        let methods = match endpoint.takes(&Method::HEAD) {
            true => methods,
            false => methods.on(MethodFilter::HEAD, refuse),
        };
        Self { router: self.router.route(path, methods.fallback(refuse)), ..self }
    }
}

/// Returns the handler of every path that no other route has: the routes of the configuration, or 404.
///
/// They are matched by the table and not by axum, whose parameters may be empty in the middle of a path, and which prefers
/// literal segments where the configuration's order decides.
fn custom_routes(
    state: &Arc<AppState>,
) -> impl Fn(RequestContext, Request) -> ResponseFuture + Clone + Send + Sync + 'static {
    let service = |custom: &&'static Further| {
        let custom = *custom;
        let handler =
            move |context: RequestContext, request: Request| custom::handle_custom_route(custom, context, request);
        BoxCloneSyncService::new(middleware::admitted(Route::Further(custom), handler))
    };
    let services: Arc<[_]> = state.settings.table.further.iter().map(service).collect();
    move |context, request| {
        let services = Arc::clone(&services);
        Box::pin(async move {
            let table = &context.state().settings.table;
            let (method, path) = (request.method(), request.uri().path());
            let Some(endpoint @ Endpoint::Mirrored(Route::Further(custom))) = table.find(method, path) else {
                return Problem::not_found().into_response();
            };
            context.facts().route = endpoint.template();
            if !endpoint.takes(method) {
                return Problem::method_not_allowed(Some(table.allow(path))).into_response();
            }
            match services.get(custom.index).cloned() {
                Some(service) => service.oneshot(request).await.unwrap_or_else(|never| match never {}),
                None => Problem::internal().into_response(),
            }
        })
    }
}

type ResponseFuture = Pin<Box<dyn Future<Output = Response> + Send>>;
