//! The second listener: for who runs the gateway, not for callers.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use subtle::ConstantTimeEq;

use crate::{config::Secret, fetch::Readiness};

/// What the admin listener shows.
pub struct Admin {
    token: Secret,
    readiness: Box<dyn Fn() -> Readiness + Send + Sync>,
}

impl Admin {
    /// `token` is `admin.token`; where it is empty, nothing is asked for.
    pub fn new(token: Secret, readiness: impl Fn() -> Readiness + Send + Sync + 'static) -> Self {
        Self { token, readiness: Box::new(readiness) }
    }
}

/// The admin listener's service. Everything but the health checks wants the token.
pub fn router(admin: Admin) -> Router {
    Router::new()
        .route("/livez", get("alive\n"))
        .route("/readyz", get(get_readiness))
        .fallback(get_nothing)
        .with_state(Arc::new(admin))
}

async fn get_readiness(State(admin): State<Arc<Admin>>) -> Response {
    let readiness = (admin.readiness)();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

async fn get_nothing(State(admin): State<Arc<Admin>>, request: Request) -> Response {
    if !admin.admits(&request) {
        let challenge = [(header::WWW_AUTHENTICATE, "Bearer realm=\"wesal-gateway admin\"")];
        let told = "Send the admin token, as Authorization: Bearer TOKEN.\n";
        return (StatusCode::UNAUTHORIZED, challenge, told).into_response();
    }
    (StatusCode::NOT_FOUND, "There is no such path here: /livez and /readyz are.\n").into_response()
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
