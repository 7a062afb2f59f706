//! What holds of every request's headers, whatever stands in them: an oracle for the fuzzer and for the seeds in
//! `fuzz/corpus`.

use std::{net::IpAddr, sync::LazyLock};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use jiff::Timestamp;
use serde_json::json;

use super::{
    cache_control::demand,
    cache_headers::none_match_names,
    client_address::client_address,
    credential::credential,
    error_code::ErrorCode,
    middleware::request_id::sanitize,
    route_table::{Endpoint, RouteTable},
};
use crate::{
    auth::{Callers, ConnectionAuthCache, Identity, Sessions},
    config::{Secret, SessionsConfig},
    fetch::Demand,
    model::Route,
};

const BASE: &str = "/api/v1";
/// The key of the one caller there is, its hash, and a session of it. The key's random bits are zero.
const KEY: &str = "wgw_00000000000000000000000000000000000000000001fBpYc";
const KEY_HASH: &str = "sha256:d515d7be4739b5ce54545613c07b1ccf36d729db7581dfcf7fdb977848308365";
const SESSION: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJ3ZXNhbC1nYXRld2F5Iiwic3ViIjoiYXBwIiwiaWF0IjowLjAsImV4cCI6OWU5LCJqdGkiOiJBQUFBQUFBQUFBQUFBQUFBQUFBQUFBIiwia2V5IjoiMVJYWHZrYzV0YzQifQ.Ps3nVSDbAjfIA-ONl7HYW-P01c8q0xVM4Hy3epcDCH4";
const SESSIONS_SECRET: &str = "secret";

static CALLERS: LazyLock<Option<(Callers, Sessions)>> = LazyLock::new(|| {
    let caller = json!({"name": "app", "key_hashes": [KEY_HASH], "scopes": ["queues"]});
    let sessions = SessionsConfig { secret: Secret::new(SESSIONS_SECRET), ..SessionsConfig::default() };
    Some((Callers::new(&[serde_json::from_value(caller).ok()?], None), Sessions::new(&sessions).ok()?))
});

/// Who a request's headers say it is, in a word; `None` if HTTP cannot carry them, or the path takes no credential.
pub(crate) fn caller_headers(method: &str, target: &str, lines: &[u8]) -> Option<&'static str> {
    let method = Method::from_bytes(method.as_bytes()).ok()?;
    let Endpoint::Mirrored(route) = RouteTable::new(BASE.to_owned(), Vec::new())
        .find(&method, target)
        .filter(|endpoint| endpoint.takes(&method))?
    else {
        return None;
    };
    let headers = headers(lines)?;
    the_rest_is_sane(&headers);
    who(route, &headers)
}

fn headers(lines: &[u8]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at_checked(colon)?;
        let value = value.strip_prefix(b":")?.trim_ascii();
        headers.append(HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?);
    }
    Some(headers)
}

/// Nobody is known but who shows the key, or the session where one may stand; and who does, is.
fn who(route: Route, headers: &HeaderMap) -> Option<&'static str> {
    let (callers, sessions) = CALLERS.as_ref()?;
    let shown: Vec<&[u8]> = ["authorization", "x-api-key", "x-client-id"]
        .into_iter()
        .flat_map(|name| headers.get_all(name))
        .map(HeaderValue::as_bytes)
        .filter(|value| !value.is_empty())
        .collect();
    let credential = match credential(route, headers) {
        Ok(credential) => credential,
        Err(problem) if problem.code == ErrorCode::MissingCredential => return Some("nobody"),
        Err(problem) => {
            assert_eq!(problem.code, ErrorCode::InvalidRequest);
            assert!(shown.len() > 1, "two credentials in {} headers", shown.len());
            return Some("two");
        }
    };
    let text = credential.text;
    assert!(!text.is_empty() && text.trim() == text, "{text:?}");
    assert!(text == "?" || shown.iter().any(|value| value.ends_with(text.as_bytes())), "{text:?} stands nowhere");
    let by_key = text == KEY;
    let by_session = text == SESSION && credential.may_be_session;
    let now = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(1_800_000_000);
    let known = callers.identify(sessions, credential, now);
    assert_eq!(known.is_ok(), by_key || by_session, "{text:?}");
    // Whoever spoke before on the connection.
    for before in [KEY, SESSION] {
        let auth_cache = ConnectionAuthCache::default();
        let before = crate::auth::Credential { text: before, may_be_session: true };
        assert!(auth_cache.identify(callers, sessions, before, now).is_ok());
        let again = auth_cache.identify(callers, sessions, credential, now);
        assert_eq!(again.as_ref().map(has_session), known.as_ref().map(has_session));
    }
    match known {
        Ok(identity) if has_session(&identity) => Some("by-session"),
        Ok(_) => Some("by-key"),
        Err(_) => Some("stranger"),
    }
}

fn has_session(identity: &Identity) -> bool {
    identity.session.is_some()
}

fn the_rest_is_sane(headers: &HeaderMap) {
    let mut request = Request::new(());
    headers.clone_into(request.headers_mut());
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    for id in sanitize(request).headers().get_all("x-request-id") {
        assert!((1..=128).contains(&id.len()) && id.as_bytes().iter().all(allowed), "{id:?}");
    }

    let proxies = ["10.0.0.0/8"].map(|network| network.parse().unwrap_or_default());
    let [stranger, proxy] = [[192, 0, 2, 1], [10, 0, 0, 1]].map(IpAddr::from);
    assert_eq!(client_address(stranger, headers, &proxies), stranger, "anybody can write these headers");
    let told = client_address(proxy, headers, &proxies);
    assert_eq!(told, told.to_canonical());

    assert!(headers.contains_key(header::CACHE_CONTROL) || demand(headers) == Demand::default());
    let named = headers.get_all(header::IF_NONE_MATCH).iter().any(|value| {
        let value = value.as_bytes();
        value.contains(&b'*') || value.windows(5).any(|tag| tag == b"\"abc\"")
    });
    assert!(named || !none_match_names(headers, b"\"abc\""));
}
