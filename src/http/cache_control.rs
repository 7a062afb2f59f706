//! A request's `Cache-Control` (RFC 9111, section 5.2.1), for callers that may refresh. Pure.

use std::time::Duration;

use axum::http::{HeaderMap, header};

use crate::fetch::Demand;

/// What the request demands. `no-store` is ignored: it would let one caller take a part from all others. What is not
/// understood is ignored too, as the RFC says.
pub(super) fn demand(headers: &HeaderMap) -> Demand {
    let mut demand = Demand::default();
    let values = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    for directive in values.flat_map(|value| value.split(',')) {
        let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-cache" => demand.max_age = Some(Duration::ZERO),
            "only-if-cached" => demand.only_if_cached = true,
            "max-age" => {
                let seconds = argument.trim().trim_matches('"').parse().ok().map(Duration::from_secs);
                // The stricter of two holds.
                demand.max_age = match (demand.max_age, seconds) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
            }
            _ => {}
        }
    }
    demand
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn what_is_understood_is_demanded_and_the_rest_ignored() {
        let read = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(text));
            let Demand { max_age, only_if_cached } = demand(&headers);
            (max_age.map(|age| age.as_secs()), only_if_cached)
        };
        for (text, demanded) in [
            ("", (None, false)),
            ("no-store", (None, false)),
            ("no-cache", (Some(0), false)),
            ("No-Cache, max-age=5", (Some(0), false)),
            ("max-age=5", (Some(5), false)),
            ("max-age=\"5\", max-age=3", (Some(3), false)),
            ("max-age=soon, min-fresh=3", (None, false)),
            ("max-age=-1", (None, false)),
            (" only-if-cached ,max-age=7", (Some(7), true)),
        ] {
            assert_eq!(read(text), demanded, "{text}");
        }
        assert_eq!(demand(&HeaderMap::new()), Demand::default());
    }
}
