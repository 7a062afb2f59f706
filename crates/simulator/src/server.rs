//! The router, and how it is served.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, on};
use tokio::net::TcpListener;

use super::envelope::{codeless, json, page, respond};
use super::handler;
use super::route::Route;
use super::state::Inner;
use super::time;

/// The statistics page, which asks for `/stats` every two seconds.
const PAGE: &str = include_str!("page.html");

pub(crate) fn router(inner: &Arc<Inner>) -> Router {
    let mut router = Router::new();
    for route in Route::ALL {
        for path in route.paths() {
            let take = move |State(inner): State<Arc<Inner>>, request: Request| handler::handle(inner, route, request);
            router = router.route(&format!("/api/v1{path}"), on(route.method(), take));
        }
    }
    router
        .route("/", get(statistics_page))
        .route("/stats", get(statistics))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .with_state(Arc::clone(inner))
}

/// Serves until the shutdown comes, then lets the calls in flight finish; those that wait wait no longer.
pub(crate) async fn serve(
    inner: Arc<Inner>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let router = router(&inner);
    let closing = async move {
        shutdown.await;
        inner.closing.send_modify(|count| *count += 1);
    };
    axum::serve(listener, router).with_graceful_shutdown(closing).await
}

async fn method_not_allowed() -> Response {
    codeless(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed")
}

async fn not_found(State(inner): State<Arc<Inner>>) -> Response {
    inner.state().history.unknown += 1;
    page(StatusCode::NOT_FOUND)
}

async fn statistics_page() -> Response {
    respond(StatusCode::OK, "text/html; charset=utf-8", PAGE)
}

async fn statistics(State(inner): State<Arc<Inner>>) -> Response {
    let time = time::format(inner.now());
    let state = inner.state();
    json(StatusCode::OK, state.history.stats().to_json(&time, state.account.last_code()))
}
