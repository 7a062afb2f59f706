//! Every route of the admin listener, and the layers around them.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json, Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    request_id::{PropagateRequestIdLayer, RequestId, SetRequestIdLayer},
    sensitive_headers::SetSensitiveRequestHeadersLayer,
    set_header::SetResponseHeaderLayer,
    validate_request::ValidateRequestHeaderLayer,
};

use super::{
    actions::{self, AdminAction},
    assets::ASSETS,
    auth::{Authorize, Permission},
    explain::explain,
    metrics,
    state::AdminState,
};
use crate::{
    config::Secret,
    http::{
        HttpService,
        error_code::ErrorCode,
        middleware::{
            host,
            request_id::{NewRequestId, sanitize},
            respond_to_panic,
        },
        problem::{self, Problem},
    },
};

/// Returns the admin listener's service: the router with everything that is around it, outermost first. `token` is
/// `admin.token`; if it is empty, no token is required.
pub fn service(state: &Arc<AdminState>, token: &Secret) -> impl HttpService + use<> {
    let metrics = Arc::clone(&state.app.metrics);
    let count_errors = move |response: Response| {
        if response.status() == StatusCode::INTERNAL_SERVER_ERROR {
            metrics.internal_error();
        }
        response
    };
    ServiceBuilder::new()
        // No Debug output of the request shows the token.
        .layer(SetSensitiveRequestHeadersLayer::new([header::AUTHORIZATION]))
        // Every later layer knows the request's id.
        .map_request(sanitize)
        .layer(SetRequestIdLayer::x_request_id(NewRequestId))
        .layer(SetResponseHeaderLayer::overriding(header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .layer(SetResponseHeaderLayer::overriding(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")))
        // Errors of every layer below become problem documents, with the request's id.
        .map_response(problem::render)
        .layer(PropagateRequestIdLayer::x_request_id())
        .map_response(count_errors)
        .map_response(without_allow)
        // A panic is one request's 500.
        .map_response(|response: Response<_>| response.map(Body::new))
        .layer(CatchPanicLayer::custom(respond_to_panic))
        // Before routing: behind a request that two readers may take to be for two hosts, nothing is looked at.
        .layer(ValidateRequestHeaderLayer::custom(host::validate))
        .service(router(state, token))
}

/// Every route requires the token but the health checks and the dashboard's files; so do unknown paths.
fn router(state: &Arc<AdminState>, token: &Secret) -> Router {
    let authorize = |permission| ValidateRequestHeaderLayer::custom(Authorize::new(&state.app, token, permission));
    // Set before the layers, so that it requires the token, too.
    let refuse_method = || async { Problem::method_not_allowed(None) };
    let health = Router::new()
        .route("/livez", get(get_liveness))
        .route("/readyz", get(get_readiness))
        .method_not_allowed_fallback(refuse_method);
    let assets = ASSETS
        .into_iter()
        .fold(Router::new(), |router, asset| router.route(asset.path, get(move || async move { asset.respond() })))
        .method_not_allowed_fallback(refuse_method);
    // A stream takes one of a few places. HEAD is refused: its response has no end, so there is nothing to say about it.
    let refuse_head = || async { Problem::method_not_allowed(Some("GET")) };
    let events = get(get_events).head(refuse_head).fallback(refuse_head);
    let events = Router::new().route("/admin/events", events);
    Router::new()
        .route("/metrics", get(get_metrics))
        .route("/admin/callers", get(get_callers))
        .route("/admin/status", get(get_status))
        .route("/admin/log-filter", get(actions::get_log_filter).put(put_log_filter))
        .route("/admin/cache/purge", post(purge))
        .route("/admin/cache/explain", post(post_explain))
        .route("/admin/reload", post(reload))
        .fallback(|| async {
            Problem::new(ErrorCode::NotFound, "There is no such path here; docs/admin.md lists them.")
        })
        .method_not_allowed_fallback(refuse_method)
        .layer(authorize(None))
        .merge(events.layer(authorize(Some(Permission::Write))))
        .merge(assets.layer(authorize(Some(Permission::Asset))))
        .merge(health)
        .with_state(Arc::clone(state))
}

/// Removes the `Allow` that axum adds to a refusal of the layers below a route: it would show which paths exist.
fn without_allow(mut response: Response) -> Response {
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().remove(header::ALLOW);
    }
    response
}

type Admin = State<Arc<AdminState>>;

async fn get_liveness() -> &'static str {
    "alive\n"
}

async fn get_readiness(State(state): Admin) -> Response {
    let readiness = state.app.readiness();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

async fn get_metrics(State(state): Admin, request: Request) -> Response {
    metrics::respond(state.app.metrics(), request.headers())
}

/// The callers, and when each was last used: a key that nobody uses can go.
async fn get_callers(State(state): Admin) -> Json<Value> {
    let callers: Vec<_> = state
        .app
        .callers()
        .iter()
        .map(|caller| {
            json!({
                "name": caller.name.as_str(),
                "enabled": caller.enabled(),
                "expires": caller.expires().map(|at| at.to_string()),
                "scopes": caller.scopes().iter().map(|scope| scope.as_str()).collect::<Vec<_>>(),
                "lastUsed": caller.last_used().map(|at| at.to_string()),
            })
        })
        .collect();
    Json(json!({ "callers": callers }))
}

async fn get_status(State(state): Admin) -> Result<Json<Value>, Problem> {
    spawn_blocking(move || state.status_document()).await.map(Json).map_err(|_| Problem::internal())
}

async fn get_events(State(state): Admin) -> Result<Response, Problem> {
    state.broadcast.subscribe().ok_or_else(|| {
        let detail = "As many watch as may. Close another dashboard, or ask /admin/status now and then.";
        Problem::new(ErrorCode::Overloaded, detail).retry_after(Duration::from_secs(10))
    })
}

async fn post_explain(State(state): Admin, request: Request) -> Result<Response, Problem> {
    let body = actions::read_body(&state, request).await?;
    spawn_blocking(move || explain(&state.app, &body)).await.map_err(|_| Problem::internal())?
}

async fn purge(State(state): Admin, Extension(id): Extension<RequestId>, request: Request) -> Response {
    let from = actions::client_address(&request);
    let body = actions::read_body(&state, request).await;
    actions::execute(state, AdminAction::Purge, body, from, id).await
}

async fn reload(State(state): Admin, Extension(id): Extension<RequestId>, request: Request) -> Response {
    actions::execute(state, AdminAction::Reload, Ok(Bytes::new()), actions::client_address(&request), id).await
}

async fn put_log_filter(State(state): Admin, Extension(id): Extension<RequestId>, request: Request) -> Response {
    let from = actions::client_address(&request);
    let body = actions::read_body(&state, request).await;
    actions::execute(state, AdminAction::LogFilter, body, from, id).await
}
