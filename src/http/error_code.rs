use axum::http::StatusCode;

/// Every `code` that an error can bear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorCode {
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

/// What there is to know of a code: the one table that every description of the errors is made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ErrorInfo {
    /// The code as it stands in the document.
    pub(crate) code: &'static str,
    /// The HTTP status; an `upstream_rejected` takes the vendor's where that is 404 or 422.
    pub(crate) status: StatusCode,
    /// The document's `title`.
    pub(crate) title: &'static str,
    /// When it is answered.
    pub(crate) when: &'static str,
    /// What the caller can do.
    pub(crate) remedy: &'static str,
}

impl ErrorCode {
    /// Every code, in the order in which a request can meet them.
    pub(crate) const ALL: [Self; 26] = [
        Self::MissingParameter,
        Self::InvalidRequest,
        Self::MissingCredential,
        Self::InvalidKey,
        Self::InvalidSession,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::RateLimited,
        Self::TooManyAuthFailures,
        Self::OnlyIfCached,
        Self::UpstreamRejected,
        Self::UpstreamLoginFailed,
        Self::UpstreamUnreachable,
        Self::UpstreamInvalidResponse,
        Self::UpstreamError,
        Self::UpstreamTimeout,
        Self::UpstreamRateLimited,
        Self::UpstreamBudgetExhausted,
        Self::UpstreamUnavailable,
        Self::Overloaded,
        Self::ShuttingDown,
        Self::Internal,
    ];

    /// The code as it stands in the document.
    pub(crate) const fn as_str(self) -> &'static str {
        self.info().code
    }

    /// The HTTP status; an `upstream_rejected` takes the vendor's where that is 404 or 422.
    pub(crate) const fn status(self) -> StatusCode {
        self.info().status
    }

    /// Every status that an answer with it can have.
    pub(crate) fn statuses(self) -> Vec<u16> {
        match self {
            Self::UpstreamRejected => vec![400, 404, 422],
            _ => vec![self.status().as_u16()],
        }
    }

    /// The vendor's code that means the same, for apps that know only those.
    pub(crate) const fn wesal_code(self) -> Option<&'static str> {
        match self {
            Self::MissingParameter => Some("X0000"),
            Self::MissingCredential | Self::InvalidKey => Some("X001"),
            Self::Forbidden => Some("X002"),
            Self::InvalidSession => Some("X003"),
            Self::InvalidRequest => Some("X004"),
            _ => None,
        }
    }

    /// Whether its answers bear `Retry-After`.
    pub(crate) const fn has_retry_after(self) -> bool {
        matches!(self.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
    }

    /// What there is to know of it.
    pub(crate) const fn info(self) -> ErrorInfo {
        use StatusCode as S;
        let (code, status, title, when, remedy) = match self {
            Self::MissingParameter => (
                "missing_parameter",
                S::BAD_REQUEST,
                "A mandatory field is missing",
                "A mandatory field is not there.",
                "Add the fields that `errors` names.",
            ),
            Self::InvalidRequest => (
                "invalid_request",
                S::BAD_REQUEST,
                "Invalid request",
                "The body is no JSON, a field or a query parameter is wrong or unknown, a member stands twice, two \
                 different credentials came at once, or an HTTP/1.1 request does not name its host in one `Host`.",
                "Mend what `errors` names, or else what `detail` says.",
            ),
            Self::MissingCredential => (
                "missing_credential",
                S::UNAUTHORIZED,
                "No credential",
                "No key and no session came with the request.",
                "Send your app's key as `Authorization: KEY`, `Authorization: Bearer KEY`, or `X-Api-Key: KEY`.",
            ),
            Self::InvalidKey => (
                "invalid_key",
                S::UNAUTHORIZED,
                "Invalid key",
                "The key is mistyped, unknown, expired or switched off; at a login, it may belong to another app.",
                "Check the key. If it is right, ask who runs the gateway.",
            ),
            Self::InvalidSession => (
                "invalid_session",
                S::UNAUTHORIZED,
                "Invalid session",
                "The session is unknown, has ended or has expired, or stands elsewhere than in `Authorization`.",
                "Log in again.",
            ),
            Self::Forbidden => (
                "forbidden",
                S::FORBIDDEN,
                "Not allowed",
                "The key lacks the scope, or may not ask for that company or queue.",
                "Ask who runs the gateway for the right; for queues, `errors` names those that are meant.",
            ),
            Self::NotFound => (
                "not_found",
                S::NOT_FOUND,
                "Not found",
                "There is no such path.",
                "Check the path: Wesal's routes stand under the base path, letter for letter.",
            ),
            Self::MethodNotAllowed => (
                "method_not_allowed",
                S::METHOD_NOT_ALLOWED,
                "Method not allowed",
                "The path is there and does not take this method.",
                "Use a method that `Allow` names.",
            ),
            Self::RequestTimeout => (
                "request_timeout",
                S::REQUEST_TIMEOUT,
                "The request took too long",
                "The body did not arrive in time.",
                "Send it at once.",
            ),
            Self::PayloadTooLarge => (
                "payload_too_large",
                S::PAYLOAD_TOO_LARGE,
                "The body is too large",
                "The body has more bytes than the gateway reads.",
                "Send a smaller one; `detail` says how large it may be.",
            ),
            Self::UnsupportedMediaType => (
                "unsupported_media_type",
                S::UNSUPPORTED_MEDIA_TYPE,
                "Unsupported media type",
                "The body does not come as `application/json`, or comes compressed.",
                "Send it with `Content-Type: application/json` and without `Content-Encoding`.",
            ),
            Self::RateLimited => (
                "rate_limited",
                S::TOO_MANY_REQUESTS,
                "Too many requests",
                "The key's limit is spent.",
                "Wait as long as `Retry-After` says; `RateLimit` in every answer tells what is left.",
            ),
            Self::TooManyAuthFailures => (
                "too_many_auth_failures",
                S::TOO_MANY_REQUESTS,
                "Too many failed authentications",
                "Too many wrong credentials came from one address. A good one still passes.",
                "Check the key, and wait as long as `Retry-After` says.",
            ),
            Self::OnlyIfCached => (
                "only_if_cached",
                S::GATEWAY_TIMEOUT,
                "Not in the cache",
                "`Cache-Control: only-if-cached` was asked for, and nothing that is held may be served.",
                "Ask without `only-if-cached`.",
            ),
            Self::UpstreamRejected => (
                "upstream_rejected",
                S::BAD_REQUEST,
                "Wesal refused the request",
                "Wesal itself refused the request.",
                "Check the values: Wesal's own words are in `detail`, its code in `wesalCode`.",
            ),
            Self::UpstreamLoginFailed => (
                "upstream_login_failed",
                S::SERVICE_UNAVAILABLE,
                "The gateway's login at Wesal fails",
                "Wesal does not accept the gateway's own login.",
                "Callers cannot mend it: tell who runs the gateway, and wait as long as `Retry-After` says.",
            ),
            Self::UpstreamUnreachable => (
                "upstream_unreachable",
                S::BAD_GATEWAY,
                "Wesal cannot be reached",
                "There is no connection to Wesal.",
                "Try again later.",
            ),
            Self::UpstreamInvalidResponse => (
                "upstream_invalid_response",
                S::BAD_GATEWAY,
                "Wesal's answer cannot be used",
                "Wesal answered with something else than the JSON that it promises.",
                "Try again later; if it goes on, report the `requestId`.",
            ),
            Self::UpstreamError => (
                "upstream_error",
                S::BAD_GATEWAY,
                "Wesal failed",
                "Wesal answered with a failure that is not of the caller's making.",
                "Try again later.",
            ),
            Self::UpstreamTimeout => (
                "upstream_timeout",
                S::GATEWAY_TIMEOUT,
                "Wesal did not answer in time",
                "Wesal did not answer in time.",
                "Try again later.",
            ),
            Self::UpstreamRateLimited => (
                "upstream_rate_limited",
                S::SERVICE_UNAVAILABLE,
                "Wesal asks the gateway to slow down",
                "Wesal asks the gateway to make a pause.",
                "Wait as long as `Retry-After` says.",
            ),
            Self::UpstreamBudgetExhausted => (
                "upstream_budget_exhausted",
                S::SERVICE_UNAVAILABLE,
                "The gateway's budget of Wesal calls is spent",
                "The gateway has asked Wesal as often as it may for now.",
                "Wait as long as `Retry-After` says.",
            ),
            Self::UpstreamUnavailable => (
                "upstream_unavailable",
                S::SERVICE_UNAVAILABLE,
                "Wesal has been failing",
                "Wesal has been failing, and the gateway gives it a pause.",
                "Wait as long as `Retry-After` says.",
            ),
            Self::Overloaded => (
                "overloaded",
                S::SERVICE_UNAVAILABLE,
                "The gateway is overloaded",
                "The gateway works on as many requests as it may.",
                "Wait as long as `Retry-After` says.",
            ),
            Self::ShuttingDown => (
                "shutting_down",
                S::SERVICE_UNAVAILABLE,
                "The gateway is shutting down",
                "The process is ending; another may already stand in its place.",
                "Send the request again, on a new connection, after `Retry-After`.",
            ),
            Self::Internal => (
                "internal",
                S::INTERNAL_SERVER_ERROR,
                "Internal error",
                "A bug, or a fault on the gateway's own side, which its log names.",
                "Report the `requestId`.",
            ),
        };
        ErrorInfo { code, status, title, when, remedy }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_readme_lists_every_code_with_its_statuses() {
        let mut listed = BTreeSet::new();
        for row in include_str!("../../README.md").lines().filter(|line| line.starts_with("| `")) {
            let columns: Vec<_> = row.split('|').collect();
            let words: Vec<_> = columns[1].split('`').skip(1).step_by(2).collect();
            let codes: Vec<_> = ErrorCode::ALL.into_iter().filter(|code| words.contains(&code.as_str())).collect();
            if codes.is_empty() {
                continue;
            }
            assert_eq!(codes.len(), words.len(), "{row}");
            let told: BTreeSet<_> = columns[2].split(',').map(|status| status.trim().parse().unwrap()).collect();
            assert_eq!(told, codes.iter().flat_map(|code| code.statuses()).collect(), "{row}");
            listed.extend(words);
        }
        assert_eq!(listed, ErrorCode::ALL.iter().map(|code| code.as_str()).collect());
    }
}
