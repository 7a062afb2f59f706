use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};

use crate::http::{access_log::Template, app::App};

/// `GET /livez`: the process serves.
pub(in crate::http) async fn get_liveness() -> Response {
    (axum::Extension(Template("/livez")), "alive\n").into_response()
}

/// `GET /readyz`: 200 if callers can be answered, else 503 with the reasons.
pub(in crate::http) async fn get_readiness(State(app): State<Arc<App>>) -> Response {
    let readiness = app.readiness();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Extension(Template("/readyz")), Json(readiness)).into_response()
}
