//! The `Host` of a request (RFC 9112, section 3.2).

use std::net::Ipv6Addr;

use axum::{
    extract::Request,
    http::{HeaderValue, Version, header},
    response::{IntoResponse, Response},
};

use crate::http::{error_code::ErrorCode, problem::Problem};

const INVALID_HOST: &str =
    "The request must name its host once, in a Host field: a name or an address, and perhaps a port.";

/// Refuses a request that does not name exactly one host, and closes its connection: what stands before the gateway may
/// have read another host, and another request behind this one.
#[expect(clippy::result_large_err, reason = "tower-http's trait wants a response")]
pub(crate) fn validate(request: &mut Request) -> Result<(), Response> {
    if has_valid_host(request) {
        return Ok(());
    }
    let mut response = Problem::new(ErrorCode::InvalidRequest, INVALID_HOST).into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    Err(response)
}

fn has_valid_host(request: &Request) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => is_host(host.as_bytes()),
        (Some(_), Some(_)) => false,
        // HTTP/1.0 has no such field, and HTTP/2 has `:authority`.
        (None, _) => request.version() != Version::HTTP_11,
    }
}

/// `uri-host [ ":" port ]` (RFC 3986, section 3.2.2), where an address of a future version is none. It may be empty.
fn is_host(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else { return false };
    let (good, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((address, port)) = rest.split_once(']') else { return false };
            (address.parse::<Ipv6Addr>().is_ok(), port)
        }
        None => {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (is_reg_name(name), port)
        }
    };
    let is_port = |port: &str| port.bytes().all(|digit| digit.is_ascii_digit());
    good && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

fn is_reg_name(name: &str) -> bool {
    let mut pieces = name.split('%');
    let plain = |text: &str| text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&c));
    pieces.next().is_none_or(plain)
        && pieces.all(|piece| match piece.split_at_checked(2) {
            Some((escaped, rest)) => escaped.bytes().all(|c| c.is_ascii_hexdigit()) && plain(rest),
            None => false,
        })
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn named(version: Version, hosts: &[&[u8]]) -> bool {
        let mut request = Request::builder().version(version);
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        has_valid_host(&request.body(Body::empty()).unwrap())
    }

    #[test]
    fn a_host_is_a_name_or_an_address_and_perhaps_a_port() {
        for host in [
            "g",
            "gateway.example",
            "gateway.example:8080",
            "gateway.example.",
            "under_score",
            "g:",
            "",
            "127.0.0.1:80",
            "[::1]",
            "[2001:db8::1]:8443",
            "xn--mnchen-3ya.example",
            "a%2Fb",
            "a,b",
        ] {
            assert!(named(Version::HTTP_11, &[host.as_bytes()]), "{host:?} is refused");
        }
        for host in [
            &b"a b"[..],
            b"a/b",
            b"http://a",
            b"user@a",
            b"a:b",
            b"a:80:80",
            b"a:+80",
            b"::1",
            b"[::1",
            b"[::1]80",
            b"[127.0.0.1]",
            b"[g]",
            b"a%2",
            b"a%zz",
            b"a%",
            b"a%\xc3\xa9",
            b"a\"b",
            b"a\\b",
            b"a?b",
            b"a#b",
            b"m\xfcnchen.example",
            "münchen.example".as_bytes(),
        ] {
            assert!(!named(Version::HTTP_11, &[host]), "{:?} is taken", String::from_utf8_lossy(host));
        }
    }

    #[test]
    fn there_is_one_and_only_http_1_1_needs_it() {
        for (version, none) in [(Version::HTTP_10, true), (Version::HTTP_11, false), (Version::HTTP_2, true)] {
            assert_eq!(named(version, &[]), none, "{version:?}");
            assert!(named(version, &[b"a"]), "{version:?}");
            assert!(!named(version, &[b"a", b"a"]), "{version:?}");
            assert!(!named(version, &[b"a b"]), "{version:?}");
        }
    }
}
