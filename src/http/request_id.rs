use std::sync::{
    LazyLock,
    atomic::{AtomicU64, Ordering},
};

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

/// 128 bits: 64 of this process, and 64 that no other request of it has. They are mixed, so that an id does not tell how
/// many requests there were before it.
fn new_id() -> HeaderValue {
    static PROCESS: LazyLock<(u64, u64)> = LazyLock::new(|| {
        // Without entropy ids repeat from process to process, which is no reason to fail a request.
        let random = || getrandom::u64().unwrap_or(0);
        (random(), random())
    });
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let (process, seed) = *PROCESS;
    let own = mixed(NEXT.fetch_add(1, Ordering::Relaxed) ^ seed);
    let mut id = [0; 32];
    for (i, digit) in id.iter_mut().enumerate() {
        let half = if i < 16 { process } else { own };
        let nibble = u32::try_from(half >> (60 - 4 * (i % 16)) & 0xf).unwrap_or(0);
        *digit = char::from_digit(nibble, 16).map_or(b'0', |digit| u8::try_from(digit).unwrap_or(b'0'));
    }
    HeaderValue::from_bytes(&id).unwrap_or_else(|_| HeaderValue::from_static("-"))
}

/// SplitMix64's finalizer: one to one, and all bits depend on all.
fn mixed(number: u64) -> u64 {
    let z = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
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
