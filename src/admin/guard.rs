//! Who may operate. Where there is no token, which is on loopback only, what must be kept out is a web page in an
//! operator's browser: one that posts to us, or one whose name was made to lead here (DNS rebinding). Pure.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, Method, Uri, header};
use subtle::ConstantTimeEq;

use super::problem::Problem;
use crate::config::Secret;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why a request is not let through.
pub(super) enum Refusal {
    /// Somebody guesses, or has an old token: to be counted.
    WrongToken,
    Other(Problem),
}

/// What somebody wants.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// A file that holds nothing secret: no browser sends a token when it is led to a page.
    File,
    /// To see how all stands. It changes nothing, and a browser shows no other page the answer.
    Look,
    /// To change something, or to take one of a few places.
    Act,
}

impl Access {
    /// What a request wants that is not for a file.
    pub(super) fn by(method: &Method) -> Self {
        if matches!(*method, Method::GET | Method::HEAD) { Self::Look } else { Self::Act }
    }
}

/// Lets a request through to all that is not for everybody.
pub(super) fn admit(token: &Secret, access: Access, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
    let host = uri.authority().map(|authority| authority.as_str()).or_else(|| text(headers, &header::HOST));
    if token.is_empty() {
        // No browser leaves it out; and a page's script cannot change it.
        if host.is_some_and(|host| !is_here(host)) {
            let detail = "Without an admin token this listener answers to addresses and to localhost only. Use one of \
                          them, or set admin.token_file.";
            return Err(Refusal::Other(Problem::forbidden(detail)));
        }
    } else if access != Access::File {
        if !headers.contains_key(header::AUTHORIZATION) {
            return Err(Refusal::Other(Problem::missing_token()));
        }
        if !bears(token, headers) {
            return Err(Refusal::WrongToken);
        }
    }
    if access != Access::Act {
        return Ok(());
    }
    let site = text(headers, &SEC_FETCH_SITE).is_none_or(|site| matches!(site, "same-origin" | "none"));
    let origin = headers.get(header::ORIGIN).is_none_or(|origin| {
        let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        origin.is_some_and(|(_, origin)| host.is_some_and(|host| origin.eq_ignore_ascii_case(host)))
    });
    match site && origin {
        true => Ok(()),
        false => {
            let detail = "Another site's page may not do this. Do it from the gateway's own, or by hand.";
            Err(Refusal::Other(Problem::forbidden(detail)))
        }
    }
}

fn bears(token: &Secret, headers: &HeaderMap) -> bool {
    let sent = text(headers, &header::AUTHORIZATION).and_then(|value| value.split_once(' '));
    let sent = sent.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    sent.is_some_and(|(_, sent)| sent.trim().as_bytes().ct_eq(token.expose().as_bytes()).into())
}

/// Whether a `Host` is an address, or the one name that always leads to the own machine (RFC 6761, section 6.3).
fn is_here(host: &str) -> bool {
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

    fn admitted(token: &str, access: Access, sent: &[(&str, &str)]) -> bool {
        let headers = sent.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        admit(&Secret::new(token), access, &Uri::from_static("/admin/status"), &headers).is_ok()
    }

    #[test]
    fn without_a_token_only_addresses_and_localhost_are_answered() {
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
            assert_eq!(admitted("", Access::Look, &[("host", host)]), good, "{host}");
        }
        assert!(admitted("", Access::Look, &[]));
        assert!(admitted("t", Access::Look, &[("host", "gateway.example"), ("authorization", "bearer t")]));
        assert!(!admitted("t", Access::Look, &[("host", "127.0.0.1"), ("authorization", "Bearer x")]));
        // The page can ask for the token only when it is there.
        assert!(admitted("t", Access::File, &[("host", "gateway.example")]));
        assert!(!admitted("", Access::File, &[("host", "gateway.example")]));
    }

    #[test]
    fn a_page_of_another_site_changes_nothing() {
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
                assert_eq!(admitted("", Access::by(&method), &sent), good, "{sent:?}");
            }
            assert!(admitted("", Access::by(&Method::GET), &sent) && admitted("", Access::File, &sent));
        }
    }
}
