use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};

use crate::http::state::AppState;

/// `GET /openapi.json`: the same bytes until a reload changes what they say.
pub(in crate::http) async fn get_openapi(State(state): State<Arc<AppState>>, request: Request) -> Response {
    state.config_snapshot().openapi(&state.settings).respond(request.headers())
}
