use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};

use crate::http::{app::App, cache_headers::none_match_names};

/// `GET /openapi.json`: the same bytes until a reload changes what they say.
pub(in crate::http) fn get_openapi(app: &App, head: &Parts) -> Response {
    let known = app.known();
    let openapi = known.openapi(&app.settings);
    let mut response = Response::new(Body::from(openapi.body.clone()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(etag) = HeaderValue::from_maybe_shared(openapi.etag.clone()) {
        headers.insert(header::ETAG, etag);
    }
    if none_match_names(&head.headers, &openapi.etag) {
        headers.remove(header::CONTENT_TYPE);
        *response.body_mut() = Body::empty();
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    response
}
