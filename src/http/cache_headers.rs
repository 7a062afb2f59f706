//! What an answer says of the cache: `Cache-Status` (RFC 9211), `Age`, `Cache-Control` (RFC 9111), `ETag` and
//! `If-None-Match` (RFC 9110). Pure.

use std::{fmt::Write as _, time::Duration};

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::fetch::{Forwarded, Found, Served, Tally};

/// RFC 9211.
pub(super) const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// The fields for an answer that was served. `etag` is set where a client may ask conditionally.
pub(super) fn cache_headers(served: &Served, etag: Option<Bytes>, headers: &mut HeaderMap) {
    if let Ok(status) = HeaderValue::try_from(cache_status(served.found, served.parts)) {
        headers.insert(CACHE_STATUS, status);
    }
    headers.insert(header::AGE, served.age.as_secs().into());
    let control = if etag.is_some() { "private, no-cache" } else { "no-store" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(control));
    if let Some(etag) = etag.and_then(|etag| HeaderValue::from_maybe_shared(etag).ok()) {
        headers.insert(header::ETAG, etag);
    }
}

fn cache_status(found: Found, parts: Tally) -> String {
    let mut status = String::with_capacity(64);
    status.push_str("wesal-gateway");
    // A mixture has a detail of its own.
    let alone = |why| if parts.mixed { String::new() } else { format!("; detail={why}") };
    // Writing to a String cannot fail.
    let _ = match found {
        Found::Hit { left, stretched: false } => {
            status.push_str("; hit; ttl=");
            status.push_str(itoa::Buffer::new().format(left.as_secs()));
            Ok(())
        }
        Found::Hit { left, stretched: true } => {
            write!(status, "; hit; ttl={}{}", left.as_secs(), alone("ttl-stretched"))
        }
        Found::StaleWhileRevalidate { past } => {
            write!(status, "; hit; ttl={}{}", Past(past), alone("stale-while-revalidate"))
        }
        Found::StaleIfError { past } => write!(status, "; fwd=stale; ttl={}{}", Past(past), alone("stale-if-error")),
        Found::Fetched { forwarded, collapsed, stored } => {
            let why = match forwarded {
                Forwarded::UriMiss => "uri-miss",
                Forwarded::Stale => "stale",
                Forwarded::Request => "request",
                Forwarded::Bypass => "bypass",
            };
            let _ = write!(status, "; fwd={why}");
            if let Some(left) = stored {
                let _ = write!(status, "; ttl={}; stored", left.as_secs());
            }
            if collapsed {
                status.push_str("; collapsed");
            }
            Ok(())
        }
    };
    if parts.mixed {
        let Tally { hit, stale, fetched, joined, absent, stretched, .. } = parts;
        let _ = write!(status, "; detail=\"hit={hit} stale={stale} fetched={}", fetched + joined);
        if absent > 0 {
            let _ = write!(status, " absent={absent}");
        }
        if stretched > 0 {
            let _ = write!(status, " stretched={stretched}");
        }
        status.push('"');
    }
    status
}

/// A freshness lifetime that is over: negative, and never 0.
struct Past(Duration);

impl std::fmt::Display for Past {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "-{}", self.0.as_secs().max(1))
    }
}

/// Returns the `If-None-Match` fields as copies, which share no memory with the connection's read buffer.
pub(super) fn copy_if_none_match(headers: &HeaderMap) -> HeaderMap {
    let mut copies = HeaderMap::new();
    for value in headers.get_all(header::IF_NONE_MATCH) {
        if let Ok(copy) = HeaderValue::from_bytes(value.as_bytes()) {
            copies.append(header::IF_NONE_MATCH, copy);
        }
    }
    copies
}

/// Whether `If-None-Match` names `etag`: a list or `*`, compared weakly (RFC 9110, section 13.1.2).
pub(super) fn none_match_names(headers: &HeaderMap, etag: &[u8]) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    // Our tags hold no comma, so that a tag that does cannot be mistaken for ours by splitting it.
    values
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_has_its_words() {
        let secs = Duration::from_secs;
        let fetched = |forwarded, collapsed, stored| Found::Fetched { forwarded, collapsed, stored };
        for (found, status) in [
            (Found::Hit { left: secs(37), stretched: false }, "wesal-gateway; hit; ttl=37"),
            (Found::Hit { left: secs(2), stretched: true }, "wesal-gateway; hit; ttl=2; detail=ttl-stretched"),
            (
                Found::StaleWhileRevalidate { past: secs(5) },
                "wesal-gateway; hit; ttl=-5; detail=stale-while-revalidate",
            ),
            (Found::StaleIfError { past: secs(0) }, "wesal-gateway; fwd=stale; ttl=-1; detail=stale-if-error"),
            (fetched(Forwarded::UriMiss, false, Some(secs(600))), "wesal-gateway; fwd=uri-miss; ttl=600; stored"),
            (fetched(Forwarded::Stale, true, Some(secs(3))), "wesal-gateway; fwd=stale; ttl=3; stored; collapsed"),
            (fetched(Forwarded::Bypass, true, None), "wesal-gateway; fwd=bypass; collapsed"),
        ] {
            assert_eq!(cache_status(found, Tally::default()), status);
        }
    }

    #[test]
    fn a_mixture_is_told_in_numbers() {
        let told = |parts: Tally| {
            let fetched = Found::Fetched { forwarded: Forwarded::UriMiss, collapsed: false, stored: None };
            let status = cache_status(fetched, Tally { mixed: true, ..parts });
            status.strip_prefix("wesal-gateway; fwd=uri-miss; detail=").unwrap().to_owned()
        };
        let parts = Tally { hit: 3, stale: 1, fetched: 2, joined: 4, ..Tally::default() };
        assert_eq!(told(parts), "\"hit=3 stale=1 fetched=6\"");
        assert_eq!(told(Tally { absent: 5, ..parts }), "\"hit=3 stale=1 fetched=6 absent=5\"");
        assert_eq!(told(Tally { stretched: 2, ..parts }), "\"hit=3 stale=1 fetched=6 stretched=2\"");
        let both = Tally { absent: 5, stretched: 2, ..parts };
        assert_eq!(told(both), "\"hit=3 stale=1 fetched=6 absent=5 stretched=2\"");
    }

    #[test]
    fn if_none_match_is_a_list_compared_weakly() {
        let names = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static(value));
            none_match_names(&headers, b"\"abc\"")
        };
        for yes in ["\"abc\"", "W/\"abc\"", "*", "\"x\", \"abc\"", "\"x\" ,W/\"abc\""] {
            assert!(names(yes), "{yes}");
        }
        for no in ["", "abc", "\"ab\"", "w/\"abc\"", "\"x\""] {
            assert!(!names(no), "{no}");
        }
        assert!(!none_match_names(&HeaderMap::new(), b"\"abc\""));
    }
}
