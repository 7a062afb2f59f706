//! The headers of requests and answers, each described once.

use serde_json::{Map, Value, json};

use crate::http::error_code::ErrorCode;

/// Those that every answer to a known caller bears.
const LIMITS: [&str; 2] = ["RateLimit-Policy", "RateLimit"];

/// Every header that answers bear.
pub(super) fn all() -> Value {
    let text =
        |about: &str, example: &str| json!({"description": about, "schema": {"type": "string"}, "example": example});
    let always = |mut header: Value| {
        if let Some(header) = header.as_object_mut() {
            header.insert("required".to_owned(), true.into());
        }
        header
    };
    let seconds = |about: &str, least: u64, example: u64| json!({"description": about, "schema": {"type": "integer", "minimum": least}, "example": example});
    json!({
        "X-Request-Id": always(text(
            "The request's id: the caller's own if it is sane, else one that was made.",
            "9a9bc336b61edae04112362eb0bb2033",
        )),
        "RateLimit-Policy": always(text(
            "The limit of the key (draft-ietf-httpapi-ratelimit-headers): `q` requests may come at once, and a spent `q` is \
             whole again after `w` seconds.",
            "\"default\";q=100;w=2",
        )),
        "RateLimit": always(text(
            "How it stands: `r` requests are left now, one more comes back within `t` seconds.",
            "\"default\";r=99;t=1",
        )),
        "Retry-After": always(seconds("After so many seconds it is worth trying again.", 1, 2)),
        "Cache-Status": always(text(
            "Where the answer came from (RFC 9211): `hit`, or `fwd=` and why Wesal was asked, `ttl`, `stored`, \
             `collapsed`, and `detail`: why, or of parts that came in different ways how many in each, with `stretched=` for \
             those from memory that are older than usual since calls run low.",
            "wesal-gateway; hit; ttl=588",
        )),
        "Age": always(seconds("How old the answer's oldest part is, in seconds.", 0, 11)),
        "ETag": always(text("Names these very bytes, for `If-None-Match`.", "\"cfd80e580539fb5612c526dd645434b4\"")),
        "Cache-Control": always(text(
            "`private, no-cache` or `no-cache` where an answer can be asked for conditionally, else `no-store`.",
            "no-store",
        )),
        "WWW-Authenticate": always(text("How to show a key.", "Bearer realm=\"wesal-gateway\"")),
    })
}

/// References to these headers and to the request's id.
pub(super) fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> Map<String, Value> {
    let all = names.into_iter().chain(["X-Request-Id"]);
    all.map(|name| (name.to_owned(), json!({"$ref": format!("#/components/headers/{name}")}))).collect()
}

/// The headers of a success of a mirrored route.
pub(super) fn of_success(kept: bool, conditional: bool) -> Map<String, Value> {
    let mut names = vec!["Cache-Control"];
    names.extend(LIMITS);
    if kept {
        names.extend(["Cache-Status", "Age"]);
    }
    if conditional {
        names.push("ETag");
    }
    named(names)
}

/// The headers of an error. Who is not known has no limit to be told of.
pub(super) fn of_error(status: u16, codes: &[ErrorCode], limited: bool) -> Map<String, Value> {
    let mut names = vec!["Cache-Control"];
    // Who has no right to what it asks for is known.
    if status == 403 {
        names.extend(LIMITS);
    }
    if codes.iter().all(|code| code.has_retry_after()) {
        names.push("Retry-After");
    }
    if status == 401 {
        names.push("WWW-Authenticate");
    }
    let mut headers = named(names);
    if limited && !matches!(status, 401 | 403) {
        let if_known = json!({"description": "As at a success; not there where it is not known who calls.", "schema": {"type": "string"}});
        headers.extend(LIMITS.map(|name| (name.to_owned(), if_known.clone())));
    }
    if status == 405 {
        let allow = json!({
            "description": "The methods that the path takes.",
            "required": true,
            "schema": {"type": "string"},
            "example": "GET,HEAD",
        });
        headers.insert("Allow".to_owned(), allow);
    }
    headers
}

/// What requests may bear, beside a credential.
pub(super) fn parameters() -> Value {
    let header = |name: &str, about: &str| json!({"name": name, "in": "header", "description": about, "schema": {"type": "string"}});
    json!({
        "RequestId": header(
            "X-Request-Id",
            "An id of your own for the request, of at most 128 letters, digits, `.`, `_` and `-`; another is replaced.",
        ),
        "IfNoneMatch": header("If-None-Match", "The `ETag` of the answer that you have: 304 if it is still the same."),
        "RequestCacheControl": header(
            "Cache-Control",
            "`max-age=N`, `no-cache` or `only-if-cached`, for keys with `may_refresh`; else it is ignored.",
        ),
        "TraceParent": header(
            "traceparent",
            "The trace that the request belongs to (W3C Trace Context): the gateway's log and its own traces go on with it. Wesal is \
             not told.",
        ),
        "ClientId": header("X-Client-Id", "Accepted, as Wesal wants one, and ignored."),
    })
}

/// How a caller shows who it is.
pub(super) fn security_schemes() -> Value {
    let key = |name: &str, about: &str| json!({"type": "apiKey", "in": "header", "name": name, "description": about});
    json!({
        "key": key("Authorization", "The app's gateway key, or a session, bare: `Authorization: KEY`."),
        "bearerKey": {
            "type": "http",
            "scheme": "bearer",
            "description": "The app's gateway key: `Authorization: Bearer KEY`.",
        },
        "apiKey": key("X-Api-Key", "The app's gateway key: `X-Api-Key: KEY`."),
        "session": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The `access_token` that `log_in` gave: `Authorization: Bearer TOKEN`.",
        },
        "clientIdKey": key(
            "X-Client-Id",
            "The app's gateway key in the place of Wesal's client id, for the two steps of a password's reset, where Wesal's reference \
             has no other credential: `X-Client-Id: KEY`.",
        ),
    })
}
