//! Which credential a request bears (CONTRACT, section 3). Pure.

use axum::http::{HeaderMap, HeaderName, header};

use super::{code::Code, problem::Problem};
use crate::model::Route;

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const X_CLIENT_ID: HeaderName = HeaderName::from_static("x-client-id");

/// The one credential: from `Authorization`, bare or as `Bearer`, or from `X-Api-Key`. On `reset` and
/// `verify`, which in the reference bear only `X-Client-Id`, a key may stand there.
pub(super) fn credential(route: Route, headers: &HeaderMap) -> Result<&str, Problem> {
    let mut found: Option<&str> = None;
    let stand_in = [X_CLIENT_ID].into_iter().filter(|_| matches!(route, Route::Reset | Route::Verify));
    let mut candidates: Vec<&str> = Vec::with_capacity(1);
    for name in [header::AUTHORIZATION, X_API_KEY] {
        for value in headers.get_all(&name) {
            // What is not ASCII is no key, and is refused as such later.
            let text = value.to_str().unwrap_or("?").trim();
            candidates.push(if name == header::AUTHORIZATION { without_scheme(text) } else { text });
        }
    }
    if candidates.iter().all(|text| text.is_empty()) {
        let values = stand_in.flat_map(|name| headers.get_all(name).iter());
        candidates.extend(values.map(|value| value.to_str().unwrap_or("?").trim()));
    }
    for text in candidates.into_iter().filter(|text| !text.is_empty()) {
        if found.is_some_and(|found| found != text) {
            let detail = "The request bears two different credentials. Send one.";
            return Err(Problem::new(Code::InvalidRequest, detail));
        }
        found = Some(text);
    }
    found.ok_or_else(|| {
        let detail =
            "Send the gateway key of your app, as Authorization: KEY, Authorization: Bearer KEY, or X-Api-Key: KEY.";
        Problem::new(Code::MissingCredential, detail)
    })
}

/// RFC 9110, section 11.1: the scheme's letter case does not matter.
fn without_scheme(text: &str) -> &str {
    match text.split_once(' ') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") => rest.trim(),
        _ if text.eq_ignore_ascii_case("bearer") => "",
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(route: Route, headers: &[(&str, &str)]) -> Result<String, Code> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, axum::http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        credential(route, &map).map(str::to_owned).map_err(|problem| problem.code)
    }

    #[test]
    fn each_of_the_header_forms_is_read() {
        for (name, value) in [
            ("authorization", "KEY"),
            ("authorization", "Bearer KEY"),
            ("authorization", "bearer  KEY"),
            ("authorization", " KEY "),
            ("x-api-key", "KEY"),
        ] {
            assert_eq!(read(Route::Organization, &[(name, value)]).as_deref(), Ok("KEY"), "{name}: {value}");
        }
        assert_eq!(read(Route::Reset, &[("x-client-id", "KEY")]).as_deref(), Ok("KEY"));
        assert_eq!(read(Route::Reset, &[("x-client-id", "ID"), ("authorization", "KEY")]).as_deref(), Ok("KEY"));
    }

    #[test]
    fn none_or_two_are_refused() {
        let none = Err(Code::MissingCredential);
        assert_eq!(read(Route::Organization, &[]), none);
        assert_eq!(read(Route::Organization, &[("authorization", "")]), none);
        assert_eq!(read(Route::Organization, &[("authorization", "Bearer")]), none);
        assert_eq!(read(Route::Organization, &[("authorization", "Bearer ")]), none);
        assert_eq!(read(Route::Organization, &[("x-client-id", "KEY")]), none);
        let two = Err(Code::InvalidRequest);
        assert_eq!(read(Route::Organization, &[("authorization", "A"), ("x-api-key", "B")]), two);
        assert_eq!(read(Route::Organization, &[("authorization", "A"), ("authorization", "B")]), two);
        assert_eq!(read(Route::Organization, &[("authorization", "Bearer A"), ("x-api-key", "A")]).as_deref(), Ok("A"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(value in proptest::collection::vec(32u8..=255, 0..60)) {
            let mut map = HeaderMap::new();
            if let Ok(value) = axum::http::HeaderValue::from_bytes(&value) {
                map.insert(header::AUTHORIZATION, value);
            }
            let _ = credential(Route::Verify, &map);
        }
    }
}
