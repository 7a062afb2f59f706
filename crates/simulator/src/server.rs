//! The router and the server.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use tokio::net::TcpListener;

use super::envelope::{codeless, json, page, respond};
use super::handler::{Handler, handle};
use super::route::Route;
use super::routes::{auth, echo, queries, queues};
use super::state::Inner;
use super::time;

/// The statistics page, which fetches `/stats` every two seconds.
const PAGE: &str = include_str!("page.html");

pub(crate) fn router(inner: &Arc<Inner>) -> Router {
    let on = |route: Route, handler: Handler| {
        move |State(inner): State<Arc<Inner>>, request: Request| handle(inner, route, handler, request)
    };
    let further = get(on(Route::Further, echo::echo)).post(on(Route::Further, echo::echo));
    Router::new()
        .route("/api/v1/auth/login", post(on(Route::Login, auth::login)))
        .route("/api/v1/auth/reset", post(on(Route::Reset, auth::reset)))
        .route("/api/v1/auth/verify", post(on(Route::Verify, auth::verify)))
        // The reference's example has the first path, its text the second.
        .route("/api/v1/auth/logout", get(on(Route::Logout, auth::logout)))
        .route("/api/v1/auth/reset_pwd", get(on(Route::Logout, auth::logout)))
        .route("/api/v1/queries/organization", get(on(Route::Organization, queries::organization)))
        .route("/api/v1/survey/queries/questions/{companyId}", get(on(Route::Questions, queries::questions)))
        .route("/api/v1/survey/queries/surveys", post(on(Route::Surveys, queries::surveys)))
        .route("/api/v1/analytics/runtime/queues/summary", post(on(Route::Summary, queues::summary)))
        .route("/api/v1/analytics/runtime/queues/activity", post(on(Route::Activity, queues::activity)))
        .route("/api/v1/analytics/queues/performance", post(on(Route::Performance, queues::performance)))
        .route("/api/v1/further/{*rest}", further)
        .route("/", get(statistics_page))
        .route("/stats", get(statistics))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .with_state(Arc::clone(inner))
}

/// Serves until `shutdown` completes, then lets the requests in flight finish without any further waiting.
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
    inner.state().history.stats.unknown += 1;
    page(StatusCode::NOT_FOUND)
}

async fn statistics_page() -> Response {
    respond(StatusCode::OK, "text/html; charset=utf-8", PAGE)
}

async fn statistics(State(inner): State<Arc<Inner>>) -> Response {
    let time = time::format(inner.now());
    let state = inner.state();
    json(StatusCode::OK, state.history.stats.to_json(&time, state.account.last_code()))
}
