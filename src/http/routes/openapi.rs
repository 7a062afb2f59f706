use axum::{http::request::Parts, response::Response};

use crate::http::app::App;

/// `GET /openapi.json`: the same bytes until a reload changes what they say.
pub(in crate::http) fn get_openapi(app: &App, head: &Parts) -> Response {
    app.known().openapi(&app.settings).answer(head)
}
