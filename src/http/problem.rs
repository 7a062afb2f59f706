//! Errors as problem documents: RFC 9457 with the vendor's `success` flag. The only file that turns errors into HTTP.

use std::{borrow::Cow, time::Duration};

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;
use tower_http::request_id::RequestId;

use super::error_code::ErrorCode;
use crate::{
    auth::Forbidden,
    fetch::FetchError,
    upstream::{NotChanged, Rejection, UpstreamError},
};

/// An error response. As a response it has no body yet: [`render`] writes the document, which has the request's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) code: ErrorCode,
    status: StatusCode,
    detail: Cow<'static, str>,
    wesal_code: Option<&'static str>,
    faults: Vec<FieldError>,
    retry_after: Option<Duration>,
    /// The methods that the path takes.
    allow: Option<&'static str>,
    /// Whether the connection ends: the rest of the request was not read.
    closes_connection: bool,
}

/// One thing that is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct FieldError {
    #[serde(flatten)]
    place: Place,
    detail: Cow<'static, str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Place {
    /// A JSON pointer (RFC 6901) into the body.
    Pointer(String),
    /// A query or path parameter's name.
    Parameter(String),
}

/// How many faults a document lists at most.
pub(crate) const MAX_FIELD_ERRORS: usize = 20;

impl FieldError {
    /// In the body, at a JSON pointer.
    pub(crate) fn at(pointer: impl Into<String>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { place: Place::Pointer(pointer.into()), detail: detail.into() }
    }

    /// In a query or path parameter.
    pub(crate) fn parameter(name: impl Into<String>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { place: Place::Parameter(name.into()), detail: detail.into() }
    }
}

impl Problem {
    /// An error; `detail` says what to do.
    pub(crate) fn new(code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        let (status, wesal_code) = (code.status(), code.wesal_code());
        Self {
            code,
            status,
            detail: detail.into(),
            wesal_code,
            faults: Vec::new(),
            retry_after: None,
            allow: None,
            closes_connection: false,
        }
    }

    /// With the places where the request is wrong.
    pub(crate) fn with_errors(mut self, mut faults: Vec<FieldError>) -> Self {
        faults.truncate(MAX_FIELD_ERRORS);
        self.faults = faults;
        self
    }

    /// With the time after which it may be tried again.
    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Says that the connection ends after the response (RFC 9112, section 9.6).
    pub(crate) fn closes_connection(mut self) -> Self {
        self.closes_connection = true;
        self
    }

    /// A bug. Its cause has been logged; callers are not told.
    pub(crate) fn internal() -> Self {
        Self::new(ErrorCode::Internal, "The gateway failed. Try again; if it goes on, report the requestId.")
    }

    /// The path does not have the method. `allow` names its methods, where the router does not know them.
    pub(crate) fn method_not_allowed(allow: Option<&'static str>) -> Self {
        let problem = Self::new(ErrorCode::MethodNotAllowed, "Use a method that Allow names.");
        Self { allow, ..problem }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(ErrorCode::NotFound, "There is no such path. The reference's routes stand under the base path.")
    }

    pub(crate) fn overloaded() -> Self {
        Self::new(ErrorCode::Overloaded, "The gateway works on as many requests as it may. Try again in a moment.")
            .retry_after(Duration::from_secs(1))
    }
}

impl From<FetchError> for Problem {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Upstream(error) => error.into(),
            FetchError::Refused { rejection, queues } => {
                let fault = |i: usize| FieldError::at(format!("/queues/{i}"), "Wesal refuses this queue");
                Self::from(rejection).with_errors(queues.into_iter().map(fault).collect())
            }
            FetchError::NotHeld => {
                Self::new(ErrorCode::OnlyIfCached, "Nothing that is held may be served. Ask without only-if-cached.")
            }
            FetchError::Full(_) => Self::overloaded(),
            FetchError::Lost(_) => Self::internal(),
        }
    }
}

impl From<UpstreamError> for Problem {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::Rejected(rejection) => rejection.into(),
            UpstreamError::LoginFailed { retry_after } | UpstreamError::TargetRefused { retry_after } => Self::new(
                ErrorCode::UpstreamLoginFailed,
                "Wesal does not accept the gateway's own login. Callers cannot mend this; tell who runs the gateway.",
            )
            .retry_after(retry_after),
            UpstreamError::Unreachable => {
                Self::new(ErrorCode::UpstreamUnreachable, "There is no connection to Wesal. Try again in a moment.")
            }
            UpstreamError::InvalidResponse(why) => {
                let detail = format!("Wesal answered, but {why}. Try again; if it goes on, report the requestId.");
                Self::new(ErrorCode::UpstreamInvalidResponse, detail)
            }
            UpstreamError::Failed { code, .. } => {
                let mut problem =
                    Self::new(ErrorCode::UpstreamError, "Wesal answered with a failure. Try again in a moment.");
                problem.wesal_code = code.map(|code| code.as_str());
                problem
            }
            UpstreamError::Timeout => Self::new(ErrorCode::UpstreamTimeout, "Wesal did not answer in time. Try again."),
            UpstreamError::Crowded => Self::new(
                ErrorCode::Overloaded,
                "The gateway's connections to Wesal are all in use, and none came free in time. Try again in a moment.",
            )
            .retry_after(Duration::from_secs(1)),
            UpstreamError::RateLimited { retry_after } => Self::new(
                ErrorCode::UpstreamRateLimited,
                "Wesal asks the gateway to wait. Try again after Retry-After.",
            )
            .retry_after(retry_after),
            UpstreamError::BudgetExhausted { retry_after } => Self::new(
                ErrorCode::UpstreamBudgetExhausted,
                "The gateway has asked Wesal as often as it may for now. Try again after Retry-After.",
            )
            .retry_after(retry_after),
            UpstreamError::CircuitOpen { retry_after } => Self::new(
                ErrorCode::UpstreamUnavailable,
                "Wesal has been failing, and the gateway gives it a pause. Try again after Retry-After.",
            )
            .retry_after(retry_after),
        }
    }
}

impl From<NotChanged> for Problem {
    fn from(error: NotChanged) -> Self {
        if matches!(error, NotChanged::Busy) {
            return Self::overloaded();
        }
        let detail = "The gateway cannot write its own new password down, so it did not ask Wesal to change it. Tell who \
                      runs the gateway; its log says why.";
        Self::new(ErrorCode::Internal, detail)
    }
}

impl From<Rejection> for Problem {
    fn from(Rejection { status, code, words }: Rejection) -> Self {
        let detail = match words.as_str() {
            "" => "Wesal refused the request and did not say why. Check the values that were sent.".to_owned(),
            words => format!("Wesal refused the request, in its own words: {words}"),
        };
        let mut problem = Self::new(ErrorCode::UpstreamRejected, detail);
        problem.status = StatusCode::from_u16(status).unwrap_or(problem.status);
        problem.wesal_code = code.map(|code| code.as_str());
        problem
    }
}

impl From<Forbidden> for Problem {
    fn from(forbidden: Forbidden) -> Self {
        let remedy = "Ask who runs the gateway if it should.";
        let problem = Self::new(ErrorCode::Forbidden, format!("{}. {remedy}", capitalized(&forbidden.to_string())));
        match forbidden {
            Forbidden::Queues(places) => {
                let fault = |i: &usize| FieldError::at(format!("/queues/{i}"), "this key may not ask for this queue");
                problem.with_errors(places.iter().map(fault).collect())
            }
            Forbidden::Scope(_) | Forbidden::Company(_) => problem,
        }
    }
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// What went wrong, and what to do (RFC 9457), with Wesal's `success` flag.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(crate) struct Document<'a> {
    /// Where the code is explained.
    r#type: String,
    /// The code in a few words.
    title: &'static str,
    /// The HTTP status, once more.
    #[schemars(range(min = 400, max = 599))]
    status: u16,
    /// What to do about it.
    detail: &'a str,
    /// Never true.
    #[schemars(extend("const" = false))]
    success: bool,
    /// What to branch on.
    #[schemars(with = "ErrorCode")]
    code: &'static str,
    /// Wesal's code that means the same, or that Wesal itself gave.
    #[serde(rename = "wesalCode")]
    wesal_code: Option<&'static str>,
    /// What to tell when asking for help; `X-Request-Id` says the same.
    #[serde(rename = "requestId")]
    request_id: &'a str,
    /// What is wrong with the request, 20 places at most.
    errors: &'a [FieldError],
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the document of a response that is a [`Problem`]; returns any other response as it is. The request's id must be
/// in the response's extensions.
pub(crate) fn render(mut response: Response) -> Response {
    let Some(problem) = response.extensions_mut().remove::<Problem>() else { return response };
    let request_id = response.extensions().get::<RequestId>().map(|id| id.header_value().clone());
    let request_id = request_id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or("-");
    problem.write(request_id, &mut response);
    response
}

impl Problem {
    /// Writes the document (RFC 9457) and the headers that belong to it.
    pub(crate) fn write(&self, request_id: &str, response: &mut Response) {
        let document = Document {
            r#type: format!("/docs/errors#{}", self.code.as_str()),
            title: self.code.info().title,
            status: self.status.as_u16(),
            detail: &self.detail,
            success: false,
            code: self.code.as_str(),
            wesal_code: self.wesal_code,
            request_id,
            errors: &self.faults,
        };
        // A struct of texts and numbers always has a form in JSON.
        *response.body_mut() = Body::from(serde_json::to_vec(&document).unwrap_or_default());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        // The router has set it for the empty body.
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            let realm = HeaderValue::from_static("Bearer realm=\"wesal-gateway\"");
            headers.entry(header::WWW_AUTHENTICATE).or_insert(realm);
        }
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, seconds.max(1).into());
        }
        if self.closes_connection {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
    }
}
