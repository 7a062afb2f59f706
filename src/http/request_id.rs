use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// The header that carries a request's id, in both directions.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const MOST_CHARS: usize = 128;

/// The caller's own id if it is sane, else a new one.
pub(super) fn request_id(headers: &HeaderMap) -> HeaderValue {
    headers.get(X_REQUEST_ID).filter(|id| is_sane(id.as_bytes())).cloned().unwrap_or_else(new_id)
}

fn is_sane(id: &[u8]) -> bool {
    let allowed = |c: &u8| c.is_ascii_alphanumeric() || b"._-".contains(c);
    (1..=MOST_CHARS).contains(&id.len()) && id.iter().all(allowed)
}

fn new_id() -> HeaderValue {
    // Without entropy the id repeats, which is no reason to fail a request.
    let random = u128::from(getrandom::u64().unwrap_or(0)) << 64 | u128::from(getrandom::u64().unwrap_or(0));
    HeaderValue::from_str(&format!("{random:032x}")).unwrap_or_else(|_| HeaderValue::from_static("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sane_id_is_kept_and_any_other_replaced() {
        let given = |id: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(X_REQUEST_ID, HeaderValue::from_bytes(id.as_bytes()).unwrap());
            request_id(&headers)
        };
        for good in ["a", "Trace-1_2.3", &"x".repeat(128)] {
            assert_eq!(given(good), good);
        }
        for bad in ["", "a b", "a\"b", "é", "a=b", &"x".repeat(129)] {
            let made = given(bad);
            assert_eq!(made.len(), 32, "{bad:?}");
        }
        assert_ne!(request_id(&HeaderMap::new()), request_id(&HeaderMap::new()));
    }
}
