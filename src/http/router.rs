//! Every route of the public listener.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    handler::Handler,
    http::Method,
    routing::{MethodFilter, MethodRouter},
};
use tower::ServiceBuilder;

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
    let queues = |route| {
        move |state: State<Arc<AppState>>, context: RequestContext, request: Request| {
            queues::query_queues(route, state, context, request)
        }
    };
    Routes { state, router: Router::new() }
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
        .custom()
        .router
        .fallback(|| async { Problem::not_found() })
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
        H: Handler<T, Arc<AppState>> + Sync,
        T: 'static,
    {
        let service = handler.with_state(Arc::clone(self.state));
        self.add(endpoint.template(), methods(endpoint, service))
    }

    fn docs(self) -> Self {
        Page::ALL.into_iter().fold(self, |routes, page| {
            routes.own(Endpoint::Docs(page), move |State(state): State<Arc<AppState>>, request: Request| async move {
                docs::get_docs(&state, page, &request)
            })
        })
    }

    fn login<H, T>(self, handler: H) -> Self
    where
        H: Handler<T, Arc<AppState>> + Sync,
        T: 'static,
    {
        let service = middleware::login(self.state, handler);
        let path = self.below_base(Route::Login.template());
        self.add(&path, methods(Endpoint::Mirrored(Route::Login), service))
    }

    /// Adds a route of the vendor's reference.
    fn mirrored<H, T>(self, route: Route, handler: H) -> Self
    where
        H: Handler<T, Arc<AppState>> + Sync,
        T: 'static,
    {
        let methods = methods(Endpoint::Mirrored(route), middleware::admitted(self.state, route, handler));
        let alias = (route == Route::Logout).then_some(LOGOUT_ALIAS);
        let paths = std::iter::once(route.template()).chain(alias).map(|path| self.below_base(path));
        paths.collect::<Vec<_>>().iter().fold(self, |routes, path| routes.add(path, methods.clone()))
    }

    /// Adds the routes of the configuration. Where one path is an instance of another template too, it takes the methods of
    /// both, each for the first route of the configuration that has it.
    fn custom(self) -> Self {
        let all = &self.state.settings.table.further;
        let mut paths: Vec<&str> = all.iter().map(|custom| custom.path.as_str()).collect();
        paths.sort_unstable();
        paths.dedup();
        paths.into_iter().fold(self, |routes, template| {
            let path = routes.below_base(template);
            let found = [Method::GET, Method::POST].into_iter().filter_map(|method| {
                let endpoint = routes.state.settings.table.find(&method, &path)?;
                endpoint.takes(&method).then_some(endpoint)
            });
            let methods = found.fold(MethodRouter::new(), |methods, endpoint| match endpoint {
                Endpoint::Mirrored(Route::Further(custom)) => {
                    let service = middleware::admitted(routes.state, Route::Further(custom), handle_custom(custom));
                    serve(methods, endpoint, service)
                }
                _ => methods,
            });
            routes.add(&path, methods)
        })
    }

    fn below_base(&self, path: &str) -> String {
        format!("{}{path}", self.state.settings.table.base_path)
    }

    fn add(self, path: &str, methods: MethodRouter) -> Self {
        let table = &self.state.settings.table;
        let allow = table.allow(path);
        let template = table.find(&Method::GET, path).map_or("", Endpoint::template);
        let refuse = move |context: RequestContext| async move {
            context.facts().route = template;
            Problem::method_not_allowed(Some(allow))
        };
        let methods = match allow {
            // axum answers HEAD where it answers GET.
            "GET" | "GET,POST" => methods.on(MethodFilter::HEAD, refuse),
            _ => methods,
        };
        Self { router: self.router.route(path, methods.fallback(refuse)), ..self }
    }
}

type HandlerFuture = std::pin::Pin<Box<dyn Future<Output = Result<axum::response::Response, Problem>> + Send>>;

fn handle_custom(
    custom: &'static Further,
) -> impl Fn(State<Arc<AppState>>, RequestContext, Request) -> HandlerFuture + Clone + Send + Sync + 'static {
    move |state, context, request| Box::pin(custom::handle_custom_route(custom, state, context, request))
}

fn methods(endpoint: Endpoint, service: impl HttpService) -> MethodRouter {
    serve(MethodRouter::new(), endpoint, service)
}

/// Adds the method of `endpoint`, whose template the log event names.
fn serve(methods: MethodRouter, endpoint: Endpoint, service: impl HttpService) -> MethodRouter {
    let record_route = move |request: Request| {
        if let Some(context) = request.extensions().get::<RequestContext>() {
            context.facts().route = endpoint.template();
        }
        request
    };
    let service = ServiceBuilder::new().map_request(record_route).service(service);
    if endpoint.takes(&Method::GET) { methods.get_service(service) } else { methods.post_service(service) }
}
