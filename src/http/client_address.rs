//! Where a request comes from, behind proxies that are trusted to say so: by `Forwarded` (RFC 7239) or by
//! `X-Forwarded-For`. Pure.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The last address on the request's way that is no trusted proxy. Whatever stands before it in the fields was written
/// by somebody who is not trusted; so was all of it, where `peer` is none. A proxy writes one of the two fields and passes
/// the other on as the client wrote it: where they do not agree, neither is believed.
pub(super) fn client_address(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> IpAddr {
    let by = |hops| last_untrusted(peer.to_canonical(), hops, proxies);
    match (forwarded(headers), x_forwarded_for(headers)) {
        (hops, None) | (None, hops) => by(hops.unwrap_or_default()),
        (Some(standard), Some(usual)) => {
            let (standard, usual) = (by(standard), by(usual));
            if standard == usual { usual } else { peer.to_canonical() }
        }
    }
}

fn last_untrusted(peer: IpAddr, mut hops: Vec<Option<IpAddr>>, proxies: &[IpNet]) -> IpAddr {
    let mut last = peer;
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
fn forwarded(headers: &HeaderMap) -> Option<Vec<Option<IpAddr>>> {
    let node = |element: &str| {
        let pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
        let mut of = pairs.filter(|(name, _)| name.eq_ignore_ascii_case("for")).map(|(_, node)| node);
        of.next_back().and_then(|node| address(node.trim_matches('"')))
    };
    elements(headers, &header::FORWARDED).map(|elements| elements.into_iter().map(node).collect())
}

fn x_forwarded_for(headers: &HeaderMap) -> Option<Vec<Option<IpAddr>>> {
    elements(headers, &X_FORWARDED_FOR).map(|elements| elements.into_iter().map(address).collect())
}

/// A list field's elements; `None` without the field.
fn elements<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<Vec<&'h str>> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    headers.contains_key(name).then(|| values.flat_map(|value| value.split(',')).map(str::trim).collect())
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
    fn either_field_is_read_and_two_that_do_not_agree_are_not_believed() {
        let (f, x) = ("forwarded", "x-forwarded-for");
        let lists = "for=203.0.113.9, for=\"[2001:db8::1]:4711\";proto=https";
        assert_eq!(found("10.0.0.1", &[(f, lists)]), "2001:db8::1");
        assert_eq!(found("10.0.0.1", &[(f, "proto=https;For=198.51.100.1:80")]), "198.51.100.1");
        assert_eq!(found("10.0.0.1", &[(f, "for=unknown")]), "10.0.0.1");
        assert_eq!(found("10.0.0.1", &[(f, "for=198.51.100.1"), (x, "198.51.100.1")]), "198.51.100.1");
        assert_eq!(found("10.0.0.1", &[(f, "for=203.0.113.9"), (x, "198.51.100.1")]), "10.0.0.1", "one is a lie");
    }

    proptest! {
        #[test]
        fn any_field_is_answered(text in "[ -~]{0,80}") {
            let _ = found("10.0.0.1", &[("forwarded", &text), ("x-forwarded-for", &text)]);
        }
    }
}
