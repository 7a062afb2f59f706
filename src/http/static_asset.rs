use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};

use super::cache_headers::none_match_names;
use crate::cache::entity_tag;

/// A text that is the same for all who ask, and needs to be sent again only when it has changed.
pub(crate) struct StaticAsset {
    kind: &'static str,
    body: Bytes,
    etag: Bytes,
}

impl StaticAsset {
    /// `kind` is its media type.
    pub(crate) fn new(kind: &'static str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self { kind, etag: entity_tag(&body), body }
    }

    /// Returns the response to a GET or HEAD with these headers: 304 if the client has these bytes already.
    pub(crate) fn respond(&self, headers: &HeaderMap) -> Response {
        let is_unchanged = none_match_names(headers, &self.etag);
        let mut response = Response::new(if is_unchanged { Body::empty() } else { Body::from(self.body.clone()) });
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if let Ok(etag) = HeaderValue::from_maybe_shared(self.etag.clone()) {
            headers.insert(header::ETAG, etag);
        }
        if is_unchanged {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.kind));
        }
        response
    }
}
