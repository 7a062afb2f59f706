//! The vendor's envelope: success and failure.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;

use super::json::{Object, array, text};
use super::route::Route;

/// A response before a fault changes it.
pub(crate) struct SimResponse {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// The reason for a refusal: one of the reference's five codes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// X0000, with the name of the parameter.
    Missing(&'static str),
    /// X001: the client id, or the email and password.
    Key,
    /// X002.
    Domain,
    /// X003.
    Token,
    /// X004, with the reason.
    Invalid(String),
}

impl Refusal {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "X0000",
            Self::Key => "X001",
            Self::Domain => "X002",
            Self::Token => "X003",
            Self::Invalid(_) => "X004",
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Missing(_) | Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Key | Self::Token => StatusCode::UNAUTHORIZED,
            Self::Domain => StatusCode::FORBIDDEN,
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Missing(name) => format!("Some parameters are missing: {name}"),
            Self::Key => "Unknown or unvalid secret_key".to_owned(),
            Self::Domain => "Unvalid secret_key for this domain".to_owned(),
            Self::Token => "Unknown or unvalid user token".to_owned(),
            Self::Invalid(why) => format!("Invalid request: {why}"),
        }
    }

    /// Returns the error body. The reference never shows one, so the place of the code differs between routes: a client
    /// must find it in each.
    pub(crate) fn body(&self, route: Route) -> String {
        let (code, message) = (self.code(), self.message());
        let failed = Object::new().raw("success", false);
        let coded = Object::new().text("code", code).text("message", &message).close();
        let body = match route {
            Route::Login | Route::Questions => failed.text("code", code).text("message", &message),
            Route::Reset | Route::Summary => failed.text("errorCode", code).text("errorMessage", &message),
            Route::Verify | Route::Surveys => failed.text("error", code).text("description", &message),
            Route::Logout | Route::Activity => failed.text("message", &format!("{code}: {message}")),
            Route::Organization => failed.raw("error", coded),
            Route::Performance | Route::Further => failed.raw("errors", array([coded])),
        };
        body.close()
    }

    pub(crate) fn response(&self, route: Route) -> SimResponse {
        SimResponse { status: self.status(), body: self.body(route).into() }
    }
}

/// `{"data": …, "success": true}`
pub(crate) fn success(data: &str) -> String {
    Object::new().raw("data", data).raw("success", true).close()
}

/// `{"success": true}`, the body of reset, verify and logout.
pub(crate) fn empty_success() -> String {
    Object::new().raw("success", true).close()
}

/// Returns a response of the given type.
pub(crate) fn respond(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

pub(crate) fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    respond(status, "application/json; charset=utf-8", body)
}

/// Returns an HTML page as the vendor's reverse proxy writes it.
pub(crate) fn page(status: StatusCode) -> Response {
    let title = status.to_string();
    let page = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
         <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    );
    respond(status, "text/html", page)
}

/// Returns a failure without a code.
pub(crate) fn codeless(status: StatusCode, message: &str) -> Response {
    json(status, format!(r#"{{"success":false,"message":{}}}"#, text(message)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_code_occurs_in_every_known_place() {
        let refusal = Refusal::Missing("queues");
        let mut found = Vec::new();
        for &route in Route::ALL {
            let body: serde_json::Value = serde_json::from_str(&refusal.body(route)).unwrap();
            assert_eq!(body["success"], false);
            for pointer in ["/code", "/errorCode", "/error", "/error/code", "/errors/0/code", "/message"] {
                let text = body.pointer(pointer).and_then(|value| value.as_str()).unwrap_or_default();
                if text.starts_with("X0000") {
                    found.push(pointer);
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        assert_eq!(found, ["/code", "/error", "/error/code", "/errorCode", "/errors/0/code", "/message"]);
    }
}
