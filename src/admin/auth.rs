//! Who may use the admin listener (CONTRACT, 1.3 and 1.4). Without a token, which is on loopback only, web pages in an
//! operator's browser are kept out: those that post here, and those whose name leads here (DNS rebinding).

use std::{net::IpAddr, sync::Arc};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header},
    response::{IntoResponse, Response},
};
use subtle::ConstantTimeEq;
use tower_http::validate_request::ValidateRequest;

use crate::{
    config::Secret,
    http::{AppState, ClientInfo, error_code::ErrorCode, problem::Problem},
};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What a path requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permission {
    /// A file of the dashboard: no browser sends a token when it opens a page.
    Asset,
    /// Reading. It changes nothing, and a browser shows no other page the response.
    Read,
    /// Changing something, or taking one of a few places.
    Write,
}

impl Permission {
    fn for_method(method: &Method) -> Self {
        if matches!(*method, Method::GET | Method::HEAD) { Self::Read } else { Self::Write }
    }
}

/// Why a request is refused.
#[derive(Debug)]
enum Refusal {
    MissingToken,
    /// To be counted: a guess, or an old token.
    WrongToken,
    Forbidden(&'static str),
}

/// Checks each request against the admin token.
#[derive(Clone)]
pub(super) struct Authorize {
    app: Arc<AppState>,
    token: Secret,
    /// Without it, the method decides.
    permission: Option<Permission>,
}

impl Authorize {
    pub(super) fn new(app: &Arc<AppState>, token: &Secret, permission: Option<Permission>) -> Self {
        Self { app: Arc::clone(app), token: token.clone(), permission }
    }

    fn problem(&self, refusal: Refusal, request: &Request) -> Problem {
        match refusal {
            Refusal::MissingToken => {
                Problem::new(ErrorCode::MissingCredential, "Send the admin token, as Authorization: Bearer TOKEN.")
            }
            Refusal::WrongToken => {
                let client = request.extensions().get::<Arc<ClientInfo>>().cloned().unwrap_or_default();
                match self.app.record_admin_auth_failure(client.address(request.headers())) {
                    Ok(()) => Problem::new(
                        ErrorCode::InvalidKey,
                        "This is not the admin token. Send the one in admin.token, as Authorization: Bearer TOKEN.",
                    ),
                    Err(wait) => {
                        let detail = "Too many wrong tokens or keys came from this address. Check the token, and try \
                                      again after Retry-After.";
                        Problem::new(ErrorCode::TooManyAuthFailures, detail).retry_after(wait)
                    }
                }
            }
            Refusal::Forbidden(detail) => Problem::new(ErrorCode::Forbidden, detail),
        }
    }
}

impl ValidateRequest<Body> for Authorize {
    type ResponseBody = Body;

    fn validate(&mut self, request: &mut Request) -> Result<(), Response> {
        let permission = self.permission.unwrap_or_else(|| Permission::for_method(request.method()));
        check(&self.token, permission, request.uri(), request.headers()).map_err(|refusal| {
            let mut response = self.problem(refusal, request).into_response();
            if response.status() == axum::http::StatusCode::UNAUTHORIZED {
                let realm = HeaderValue::from_static("Bearer realm=\"wesal-gateway admin\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
            }
            response
        })
    }
}

fn check(token: &Secret, permission: Permission, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
    let host = uri.authority().map(|authority| authority.as_str()).or_else(|| text(headers, &header::HOST));
    if token.is_empty() {
        // No browser leaves it out; and a page's script cannot change it.
        if host.is_some_and(|host| !is_local_host(host)) {
            return Err(Refusal::Forbidden(
                "Without an admin token this listener answers to addresses and to localhost only. Use one of them, or set \
                 admin.token_file.",
            ));
        }
    } else if permission != Permission::Asset {
        if !headers.contains_key(header::AUTHORIZATION) {
            return Err(Refusal::MissingToken);
        }
        if !has_token(token, headers) {
            return Err(Refusal::WrongToken);
        }
    }
    if permission != Permission::Write {
        return Ok(());
    }
    let is_same_site = text(headers, &SEC_FETCH_SITE).is_none_or(|site| matches!(site, "same-origin" | "none"));
    let is_same_origin = headers.get(header::ORIGIN).is_none_or(|origin| {
        let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        origin.is_some_and(|(_, origin)| host.is_some_and(|host| origin.eq_ignore_ascii_case(host)))
    });
    if is_same_site && is_same_origin {
        return Ok(());
    }
    Err(Refusal::Forbidden("Another site's page may not do this. Do it from the gateway's own, or by hand."))
}

fn has_token(token: &Secret, headers: &HeaderMap) -> bool {
    let sent = text(headers, &header::AUTHORIZATION).and_then(|value| value.split_once(' '));
    let sent = sent.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    sent.is_some_and(|(_, sent)| sent.trim().as_bytes().ct_eq(token.expose().as_bytes()).into())
}

/// Whether a `Host` is an address, or the one name that always leads to the own machine (RFC 6761, section 6.3).
fn is_local_host(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost")
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    // What is no text matches nothing.
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(token: &str, permission: Permission, sent: &[(&str, &str)]) -> bool {
        let headers = sent.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        check(&Secret::new(token), permission, &Uri::from_static("/admin/status"), &headers).is_ok()
    }

    #[test]
    fn without_token_only_local_hosts_are_answered() {
        for (host, good) in [
            ("127.0.0.1:9090", true),
            ("[::1]:9090", true),
            ("localhost", true),
            ("LOCALHOST:9090", true),
            ("evil.example:9090", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example:9090", false),
            ("", false),
        ] {
            assert_eq!(admitted("", Permission::Read, &[("host", host)]), good, "{host}");
        }
        assert!(admitted("", Permission::Read, &[]));
        assert!(admitted("t", Permission::Read, &[("host", "gateway.example"), ("authorization", "bearer t")]));
        assert!(!admitted("t", Permission::Read, &[("host", "127.0.0.1"), ("authorization", "Bearer x")]));
        // The page can ask for the token only when it is there.
        assert!(admitted("t", Permission::Asset, &[("host", "gateway.example")]));
        assert!(!admitted("", Permission::Asset, &[("host", "gateway.example")]));
    }

    #[test]
    fn foreign_pages_change_nothing() {
        let host = ("host", "127.0.0.1:9090");
        for (sent, good) in [
            (&[][..], true),
            (&[("origin", "http://127.0.0.1:9090"), ("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("origin", "http://evil.example")], false),
            (&[("origin", "http://127.0.0.1:8080")], false),
            (&[("origin", "null")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "same-site")], false),
        ] {
            let sent: Vec<_> = sent.iter().copied().chain([host]).collect();
            for method in [Method::POST, Method::PUT] {
                assert_eq!(admitted("", Permission::for_method(&method), &sent), good, "{sent:?}");
            }
            assert!(
                admitted("", Permission::for_method(&Method::GET), &sent) && admitted("", Permission::Asset, &sent)
            );
        }
    }
}
