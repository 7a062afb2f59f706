use axum::http::StatusCode;

/// Every `code` that an error can bear (CONTRACT, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// A mandatory field is not there.
    MissingParameter,
    /// Malformed JSON or field, doubled key, two credentials.
    InvalidRequest,
    /// No credential.
    MissingCredential,
    /// Unknown, expired or disabled key.
    InvalidKey,
    /// Unknown, ended or expired session.
    InvalidSession,
    /// Scope, company or queue not allowed.
    Forbidden,
    /// No such path.
    NotFound,
    /// The path is there, the method is not.
    MethodNotAllowed,
    /// The body did not arrive in time.
    RequestTimeout,
    /// The body is too large.
    PayloadTooLarge,
    /// The body is not `application/json`.
    UnsupportedMediaType,
    /// The caller's limit is spent.
    RateLimited,
    /// Too many wrong credentials from one address.
    TooManyAuthFailures,
    /// Only what is held was asked for, and it is not.
    OnlyIfCached,
    /// The vendor refused the request itself.
    UpstreamRejected,
    /// The service login is refused.
    UpstreamLoginFailed,
    /// No connection to the vendor.
    UpstreamUnreachable,
    /// The vendor's answer is not what it promised.
    UpstreamInvalidResponse,
    /// The vendor failed.
    UpstreamError,
    /// The vendor did not answer in time.
    UpstreamTimeout,
    /// The vendor asks for patience.
    UpstreamRateLimited,
    /// The gateway's budget of vendor calls is spent.
    UpstreamBudgetExhausted,
    /// The circuit breaker is open.
    UpstreamUnavailable,
    /// As many requests are worked on as may be.
    Overloaded,
    /// The gateway is ending.
    ShuttingDown,
    /// A bug.
    Internal,
}

impl Code {
    /// The code as it stands in the document.
    pub(super) const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status; an `upstream_rejected` takes the vendor's where that is 404 or 422.
    pub(super) const fn status(self) -> StatusCode {
        self.row().1
    }

    /// The document's `title`.
    pub(super) const fn title(self) -> &'static str {
        self.row().2
    }

    /// The vendor's code that means the same, for apps that know only those.
    pub(super) const fn wesal_code(self) -> Option<&'static str> {
        match self {
            Self::MissingParameter => Some("X0000"),
            Self::MissingCredential | Self::InvalidKey => Some("X001"),
            Self::Forbidden => Some("X002"),
            Self::InvalidSession => Some("X003"),
            Self::InvalidRequest => Some("X004"),
            _ => None,
        }
    }

    const fn row(self) -> (&'static str, StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::MissingParameter => ("missing_parameter", S::BAD_REQUEST, "A mandatory field is missing"),
            Self::InvalidRequest => ("invalid_request", S::BAD_REQUEST, "Invalid request"),
            Self::MissingCredential => ("missing_credential", S::UNAUTHORIZED, "No credential"),
            Self::InvalidKey => ("invalid_key", S::UNAUTHORIZED, "Invalid key"),
            Self::InvalidSession => ("invalid_session", S::UNAUTHORIZED, "Invalid session"),
            Self::Forbidden => ("forbidden", S::FORBIDDEN, "Not allowed"),
            Self::NotFound => ("not_found", S::NOT_FOUND, "Not found"),
            Self::MethodNotAllowed => ("method_not_allowed", S::METHOD_NOT_ALLOWED, "Method not allowed"),
            Self::RequestTimeout => ("request_timeout", S::REQUEST_TIMEOUT, "The request took too long"),
            Self::PayloadTooLarge => ("payload_too_large", S::PAYLOAD_TOO_LARGE, "The body is too large"),
            Self::UnsupportedMediaType => {
                ("unsupported_media_type", S::UNSUPPORTED_MEDIA_TYPE, "Unsupported media type")
            }
            Self::RateLimited => ("rate_limited", S::TOO_MANY_REQUESTS, "Too many requests"),
            Self::TooManyAuthFailures => {
                ("too_many_auth_failures", S::TOO_MANY_REQUESTS, "Too many failed authentications")
            }
            Self::OnlyIfCached => ("only_if_cached", S::GATEWAY_TIMEOUT, "Not in the cache"),
            Self::UpstreamRejected => ("upstream_rejected", S::BAD_REQUEST, "Wesal refused the request"),
            Self::UpstreamLoginFailed => {
                ("upstream_login_failed", S::SERVICE_UNAVAILABLE, "The gateway's login at Wesal fails")
            }
            Self::UpstreamUnreachable => ("upstream_unreachable", S::BAD_GATEWAY, "Wesal cannot be reached"),
            Self::UpstreamInvalidResponse => {
                ("upstream_invalid_response", S::BAD_GATEWAY, "Wesal's answer cannot be used")
            }
            Self::UpstreamError => ("upstream_error", S::BAD_GATEWAY, "Wesal failed"),
            Self::UpstreamTimeout => ("upstream_timeout", S::GATEWAY_TIMEOUT, "Wesal did not answer in time"),
            Self::UpstreamRateLimited => {
                ("upstream_rate_limited", S::SERVICE_UNAVAILABLE, "Wesal asks the gateway to slow down")
            }
            Self::UpstreamBudgetExhausted => {
                ("upstream_budget_exhausted", S::SERVICE_UNAVAILABLE, "The gateway's budget of Wesal calls is spent")
            }
            Self::UpstreamUnavailable => ("upstream_unavailable", S::SERVICE_UNAVAILABLE, "Wesal has been failing"),
            Self::Overloaded => ("overloaded", S::SERVICE_UNAVAILABLE, "The gateway is overloaded"),
            Self::ShuttingDown => ("shutting_down", S::SERVICE_UNAVAILABLE, "The gateway is shutting down"),
            Self::Internal => ("internal", S::INTERNAL_SERVER_ERROR, "Internal error"),
        }
    }
}
