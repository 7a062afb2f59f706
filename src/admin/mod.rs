//! The second listener: for who runs the gateway, not for callers.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use subtle::ConstantTimeEq;

use crate::{config::Secret, fetch::Readiness};

/// What the admin listener shows.
pub struct Admin {
    token: Secret,
    readiness: Box<dyn Fn() -> Readiness + Send + Sync>,
    metrics: Box<dyn Fn() -> String + Send + Sync>,
}

impl Admin {
    /// `token` is `admin.token`; where it is empty, nothing is asked for.
    pub fn new(
        token: Secret,
        readiness: impl Fn() -> Readiness + Send + Sync + 'static,
        metrics: impl Fn() -> String + Send + Sync + 'static,
    ) -> Self {
        Self { token, readiness: Box::new(readiness), metrics: Box::new(metrics) }
    }
}

/// The admin listener's service. Everything but the health checks wants the token.
pub fn router(admin: Admin) -> Router {
    let admin = Arc::new(admin);
    Router::new()
        .route("/livez", get("alive\n"))
        .route("/readyz", get(get_readiness))
        .merge(behind_the_token(&admin))
        .with_state(admin)
}

fn behind_the_token(admin: &Arc<Admin>) -> Router<Arc<Admin>> {
    Router::new()
        .route("/metrics", get(get_metrics))
        .fallback(get_nothing)
        .layer(from_fn_with_state(Arc::clone(admin), admit))
}

async fn admit(State(admin): State<Arc<Admin>>, request: Request, next: Next) -> Response {
    if admin.admits(&request) {
        return next.run(request).await;
    }
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer realm=\"wesal-gateway admin\"")];
    let told = "Send the admin token, as Authorization: Bearer TOKEN.\n";
    (StatusCode::UNAUTHORIZED, challenge, told).into_response()
}

/// The metrics, for Prometheus.
async fn get_metrics(State(admin): State<Arc<Admin>>) -> Response {
    let open_metrics = [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    (open_metrics, (admin.metrics)()).into_response()
}

async fn get_readiness(State(admin): State<Arc<Admin>>) -> Response {
    let readiness = (admin.readiness)();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

async fn get_nothing() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "There is no such path here: /livez, /readyz and /metrics are.\n")
}

impl Admin {
    fn admits(&self, request: &Request) -> bool {
        if self.token.is_empty() {
            return true;
        }
        let sent = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let sent =
            sent.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        sent.is_some_and(|(_, token)| token.trim().as_bytes().ct_eq(self.token.expose().as_bytes()).into())
    }
}
