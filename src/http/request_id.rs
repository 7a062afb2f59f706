use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// The header that carries a request's id, in both directions.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const MOST_CHARS: usize = 128;

/// The caller's own id if it is sane, else a new one.
pub(crate) fn request_id(headers: &HeaderMap) -> HeaderValue {
    let id = headers.get(X_REQUEST_ID).filter(|id| is_sane(id.as_bytes()));
    // A copy: a clone would keep the connection's read buffer for as long as the request lasts.
    id.and_then(|id| HeaderValue::from_bytes(id.as_bytes()).ok()).unwrap_or_else(new_id)
}

fn is_sane(id: &[u8]) -> bool {
    let allowed = |c: &u8| c.is_ascii_alphanumeric() || b"._-".contains(c);
    (1..=MOST_CHARS).contains(&id.len()) && id.iter().all(allowed)
}

/// 128 bits: 64 of this process, and 64 that no other request of it has. They are hashed with a key that nobody knows, so
/// that a caller's ids do not tell how many requests of others came between them.
fn new_id() -> HeaderValue {
    // Without entropy ids repeat from process to process, which is no reason to fail a request.
    static PROCESS: LazyLock<(u64, RandomState)> =
        LazyLock::new(|| (getrandom::u64().unwrap_or(0), RandomState::new()));
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let (process, keyed) = &*PROCESS;
    let own = keyed.hash_one(NEXT.fetch_add(1, Ordering::Relaxed));
    let mut id = [0; 32];
    for (i, digit) in id.iter_mut().enumerate() {
        let half = if i < 16 { *process } else { own };
        let nibble = u32::try_from(half >> (60 - 4 * (i % 16)) & 0xf).unwrap_or(0);
        *digit = char::from_digit(nibble, 16).map_or(b'0', |digit| u8::try_from(digit).unwrap_or(b'0'));
    }
    HeaderValue::from_bytes(&id).unwrap_or_else(|_| HeaderValue::from_static("-"))
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
