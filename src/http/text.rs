use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};

use super::cache_headers::none_match_names;
use crate::cache::entity_tag;

/// A text that is the same for all who ask, and needs to be sent again only when it has changed.
pub(super) struct Text {
    kind: &'static str,
    body: Bytes,
    etag: Bytes,
}

impl Text {
    /// `kind` is its media type.
    pub(super) fn new(kind: &'static str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self { kind, etag: entity_tag(&body), body }
    }

    /// The answer to a GET, or to a HEAD, whose body is left out further on. 304 to who has these bytes already.
    pub(super) fn answer(&self, head: &Parts) -> Response {
        let is_known = none_match_names(&head.headers, &self.etag);
        let mut response = Response::new(if is_known { Body::empty() } else { Body::from(self.body.clone()) });
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if let Ok(etag) = HeaderValue::from_maybe_shared(self.etag.clone()) {
            headers.insert(header::ETAG, etag);
        }
        if is_known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.kind));
        }
        response
    }
}
