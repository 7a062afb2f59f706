use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::http::state::AppState;

const NO_STORE: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

/// `GET /livez`: the process serves.
pub(in crate::http) async fn get_liveness() -> Response {
    (NO_STORE, "alive\n").into_response()
}

/// `GET /readyz`: 200 if callers can be answered, else 503 with the reasons.
pub(in crate::http) async fn get_readiness(State(state): State<Arc<AppState>>) -> Response {
    let readiness = state.readiness();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, NO_STORE, Json(readiness)).into_response()
}
