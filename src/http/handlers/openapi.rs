use axum::{extract::Request, response::Response};

use crate::http::context::RequestContext;

/// `GET /openapi.json`: the same bytes until a reload changes what they say.
pub(in crate::http) async fn get_openapi(context: RequestContext, request: Request) -> Response {
    let state = context.state();
    state.config_snapshot().openapi(&state.settings).respond(request.headers())
}
