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
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use crate::{callers::Caller, config::Secret, fetch::Readiness};

/// The admin listener's state.
pub struct Admin {
    token: Secret,
    shown: Shown,
}

/// What it shows, each asked for when somebody looks.
pub struct Shown {
    /// Whether callers can be answered.
    pub readiness: Box<dyn Fn() -> Readiness + Send + Sync>,
    /// The metrics' text.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// The callers.
    pub callers: Box<dyn Fn() -> Vec<Arc<Caller>> + Send + Sync>,
}

impl Admin {
    /// `token` is `admin.token`; where it is empty, nothing is asked for.
    pub fn new(token: Secret, shown: Shown) -> Self {
        Self { token, shown }
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
        .route("/admin/callers", get(get_callers))
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

async fn get_readiness(State(admin): State<Arc<Admin>>) -> Response {
    let readiness = (admin.shown.readiness)();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

/// The metrics, for Prometheus.
async fn get_metrics(State(admin): State<Arc<Admin>>) -> Response {
    let open_metrics = [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    (open_metrics, (admin.shown.metrics)()).into_response()
}

/// Who may call, and when each last did: a key that nobody uses can go.
async fn get_callers(State(admin): State<Arc<Admin>>) -> Json<Value> {
    let caller = |caller: &Arc<Caller>| {
        json!({
            "name": caller.name.as_str(),
            "enabled": caller.enabled(),
            "expires": caller.expires().map(|at| at.to_string()),
            "scopes": caller.scopes().iter().map(|scope| scope.as_str()).collect::<Vec<_>>(),
            "lastUsed": caller.last_used().map(|at| at.to_string()),
        })
    };
    let callers: Vec<Value> = (admin.shown.callers)().iter().map(caller).collect();
    Json(json!({ "callers": callers }))
}

async fn get_nothing() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "There is no such path here: /livez, /readyz, /metrics and /admin/callers are.\n")
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
