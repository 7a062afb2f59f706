use axum::{
    Json,
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::http::context::RequestContext;

const NO_STORE: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

/// `GET /livez`: the process serves.
pub(in crate::http) async fn get_liveness() -> Response {
    (NO_STORE, "alive\n").into_response()
}

/// `GET /readyz`: 200 if callers can be answered, else 503 with the reasons.
pub(in crate::http) async fn get_readiness(context: RequestContext) -> Response {
    let readiness = context.state().readiness();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, NO_STORE, Json(readiness)).into_response()
}
