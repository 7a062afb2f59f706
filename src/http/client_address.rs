//! Where a request comes from, behind proxies that are trusted to say so: `Forwarded` (RFC 7239), else
//! `X-Forwarded-For`. Pure.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The last address on the request's way that is no trusted proxy. Whatever stands before it in the fields was written
/// by somebody who is not trusted; so was all of it, where `peer` is none.
pub(super) fn client_address(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> IpAddr {
    let mut last = peer.to_canonical();
    let mut hops = forwarded(headers);
    while proxies.iter().any(|proxy| proxy.contains(&last)) {
        match hops.pop() {
            Some(Some(hop)) => last = hop.to_canonical(),
            // The proxy says nothing, or nothing that can be understood: then it answers for it itself.
            Some(None) | None => break,
        }
    }
    last
}

/// The hops in order, the nearest last; `None` for one that is no address, such as `unknown`.
fn forwarded(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let values = |name: &HeaderName| {
        let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).map(str::trim).map(str::to_owned).collect::<Vec<_>>()
    };
    let standard = values(&header::FORWARDED);
    if standard.is_empty() {
        return values(&X_FORWARDED_FOR).iter().map(|hop| address(hop)).collect();
    }
    let node = |element: &String| {
        let pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
        let mut of = pairs.filter(|(name, _)| name.eq_ignore_ascii_case("for")).map(|(_, node)| node);
        of.next_back().and_then(|node| address(node.trim_matches('"')))
    };
    standard.iter().map(node).collect()
}

/// An address alone, in brackets, or with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(peer: &str, fields: &[(&str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        let proxies = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
        client_address(peer.parse().unwrap(), &headers, &proxies).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed_and_only_about_the_hop_before_it() {
        let x = "x-forwarded-for";
        assert_eq!(found("192.0.2.1", &[(x, "198.51.100.1")]), "192.0.2.1", "anybody can write this");
        assert_eq!(found("10.0.0.1", &[(x, "198.51.100.1")]), "198.51.100.1");
        assert_eq!(found("::ffff:10.0.0.1", &[(x, "198.51.100.1")]), "198.51.100.1");
        assert_eq!(
            found("10.0.0.1", &[(x, "203.0.113.9, 198.51.100.1")]),
            "198.51.100.1",
            "the first is the client's lie"
        );
        assert_eq!(found("10.0.0.1", &[(x, "198.51.100.1, 10.9.9.9")]), "198.51.100.1");
        assert_eq!(found("10.0.0.1", &[(x, "198.51.100.1"), (x, "fd00::7")]), "198.51.100.1");
        assert_eq!(found("10.0.0.1", &[(x, "[2001:db8::1]:443")]), "2001:db8::1");
        for nonsense in ["", "unknown", "198.51.100.1, unknown", "_hidden"] {
            assert_eq!(found("10.0.0.1", &[(x, nonsense)]), "10.0.0.1", "{nonsense:?}");
        }
        assert_eq!(found("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn the_standard_field_comes_first() {
        let both = [
            ("forwarded", "for=203.0.113.9, for=\"[2001:db8::1]:4711\";proto=https"),
            ("x-forwarded-for", "192.0.2.7"),
        ];
        assert_eq!(found("10.0.0.1", &both), "2001:db8::1");
        assert_eq!(found("10.0.0.1", &[("forwarded", "proto=https;For=198.51.100.1:80")]), "198.51.100.1");
        assert_eq!(found("10.0.0.1", &[("forwarded", "for=unknown")]), "10.0.0.1");
    }

    proptest! {
        #[test]
        fn any_field_is_answered(text in "[ -~]{0,80}") {
            let _ = found("10.0.0.1", &[("forwarded", &text), ("x-forwarded-for", &text)]);
        }
    }
}
