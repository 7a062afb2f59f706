//! Which credential a request bears (CONTRACT, section 3). Pure.

use axum::http::{HeaderMap, HeaderName, header};

use super::{error_code::ErrorCode, problem::Problem};
use crate::{auth::Credential, model::Route};

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const X_CLIENT_ID: HeaderName = HeaderName::from_static("x-client-id");

/// The one credential: from `Authorization`, bare or as `Bearer`, or from `X-Api-Key`. On `reset` and
/// `verify`, which in the reference bear only `X-Client-Id`, a key may stand there.
pub(crate) fn credential(route: Route, headers: &HeaderMap) -> Result<Credential<'_>, Problem> {
    let in_authorization = || texts(headers, &header::AUTHORIZATION).map(without_scheme);
    let usual = in_authorization().chain(texts(headers, &X_API_KEY));
    let found = match only_one(usual)? {
        None if matches!(route, Route::Reset | Route::Verify) => only_one(texts(headers, &X_CLIENT_ID))?,
        found => found,
    };
    let may_be_session = in_authorization().any(|text| !text.is_empty());
    found.map(|text| Credential { text, may_be_session }).ok_or_else(|| {
        let detail =
            "Send the gateway key of your app, as Authorization: KEY, Authorization: Bearer KEY, or X-Api-Key: KEY.";
        Problem::new(ErrorCode::MissingCredential, detail)
    })
}

/// A field's values. What is not ASCII is no key, and is refused as such later.
fn texts<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> + use<'h> {
    headers.get_all(name).into_iter().map(|value| value.to_str().unwrap_or("?").trim())
}

/// The one text among these that is not empty, if there is any; the same one may stand there twice.
fn only_one<'h>(texts: impl Iterator<Item = &'h str>) -> Result<Option<&'h str>, Problem> {
    let mut found = None;
    for text in texts.filter(|text| !text.is_empty()) {
        if found.is_some_and(|found| found != text) {
            let detail = "The request bears two different credentials. Send one.";
            return Err(Problem::new(ErrorCode::InvalidRequest, detail));
        }
        found = Some(text);
    }
    Ok(found)
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

    fn read(route: Route, headers: &[(&str, &str)]) -> Result<String, ErrorCode> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, axum::http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        credential(route, &map).map(|found| found.text.to_owned()).map_err(|problem| problem.code)
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
        let none = Err(ErrorCode::MissingCredential);
        assert_eq!(read(Route::Organization, &[]), none);
        assert_eq!(read(Route::Organization, &[("authorization", "")]), none);
        assert_eq!(read(Route::Organization, &[("authorization", "Bearer")]), none);
        assert_eq!(read(Route::Organization, &[("authorization", "Bearer ")]), none);
        assert_eq!(read(Route::Organization, &[("x-client-id", "KEY")]), none);
        let two = Err(ErrorCode::InvalidRequest);
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
