//! An operator's error, as the document that callers get too (RFC 9457).

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use serde_json::json;

/// An error on its way out.
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: String,
    allow: Option<&'static str>,
    retry_after: Option<Duration>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, title, detail: detail.into(), allow: None, retry_after: None }
    }

    pub(super) fn missing_token() -> Self {
        let detail = "Send the admin token, as Authorization: Bearer TOKEN.";
        Self::new(StatusCode::UNAUTHORIZED, "missing_credential", "No credential", detail)
    }

    pub(super) fn wrong_token() -> Self {
        let detail = "This is not the admin token. Send the one in admin.token, as Authorization: Bearer TOKEN.";
        Self::new(StatusCode::UNAUTHORIZED, "invalid_key", "Invalid credential", detail)
    }

    pub(super) fn too_many_wrong_tokens(wait: Duration) -> Self {
        let detail =
            "Too many wrong tokens or keys came from this address. Check the token, and try again after Retry-After.";
        let (code, title) = ("too_many_auth_failures", "Too many failed authentications");
        Self { retry_after: Some(wait), ..Self::new(StatusCode::TOO_MANY_REQUESTS, code, title, detail) }
    }

    pub(super) fn forbidden(detail: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed", detail)
    }

    pub(super) fn not_found(detail: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Not found", detail)
    }

    pub(super) fn method_not_allowed(allow: &'static str) -> Self {
        let title = "Method not allowed";
        let problem =
            Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", title, "Use a method that Allow names.");
        Self { allow: Some(allow), ..problem }
    }

    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", "Invalid request", detail)
    }

    pub(super) fn unsupported_media_type() -> Self {
        let detail = "Send the body as application/json.";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Unsupported media type", detail)
    }

    pub(super) fn too_large() -> Self {
        let detail = "The body may have 64 KiB at most. Send a smaller one.";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", "Payload too large", detail)
    }

    pub(super) fn too_slow() -> Self {
        let detail = "The body did not arrive in time. Send it at once.";
        Self::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", "Request timeout", detail)
    }

    pub(super) fn too_many_viewers() -> Self {
        let detail = "As many watch as may. Close another dashboard, or ask /admin/status now and then.";
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "Overloaded", detail);
        Self { retry_after: Some(Duration::from_secs(10)), ..problem }
    }

    pub(super) fn reload_under_way() -> Self {
        let detail = "The configuration is being read again already. Ask once more when that is over, if you have changed it since.";
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "Overloaded", detail);
        Self { retry_after: Some(Duration::from_secs(1)), ..problem }
    }

    pub(super) fn internal() -> Self {
        let detail = "The gateway failed. Its log says where.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", detail)
    }

    /// The document, with the headers that belong to it.
    pub(super) fn render(&self, request_id: &str) -> Response {
        let document = json!({
            "type": format!("/docs/errors#{}", self.code),
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
            "success": false,
            "code": self.code,
            "wesalCode": null,
            "requestId": request_id,
            "errors": [],
        });
        let mut response = Response::new(Body::from(document.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"wesal-gateway admin\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}
