use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, header::Entry};
use tower_http::request_id::{MakeRequestId, RequestId};

pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const MAX_LEN: usize = 128;

/// Returns the id of a request: its own if it is valid (CONTRACT, 10.2), otherwise a new one.
///
/// The public listener uses this and not tower-http's request-id layers, which the admin listener has: they keep the id in
/// the extensions and headers of request and response, which makes a cache hit 6 % more instructions.
pub(super) fn request_id(headers: &HeaderMap) -> HeaderValue {
    let id = headers.get(X_REQUEST_ID).filter(|id| is_valid(id.as_bytes()));
    // A copy: the value that came would keep the connection's read buffer for as long as the request lasts.
    id.and_then(|id| HeaderValue::from_bytes(id.as_bytes()).ok()).unwrap_or_else(new_id)
}

/// Removes a request id that is not valid (CONTRACT, 10.2), so that a new one is made.
pub(crate) fn sanitize<B>(mut request: Request<B>) -> Request<B> {
    if let Entry::Occupied(mut id) = request.headers_mut().entry(X_REQUEST_ID) {
        // A copy: the value that came would keep the connection's read buffer for as long as the request lasts.
        let copy = HeaderValue::from_bytes(id.get().as_bytes()).ok().filter(|id| is_valid(id.as_bytes()));
        match copy {
            Some(copy) => drop(id.insert(copy)),
            None => drop(id.remove()),
        }
    }
    request
}

/// Makes the ids of requests that have none.
#[derive(Clone, Copy)]
pub(crate) struct NewRequestId;

impl MakeRequestId for NewRequestId {
    fn make_request_id<B>(&mut self, _: &Request<B>) -> Option<RequestId> {
        Some(RequestId::new(new_id()))
    }
}

fn is_valid(id: &[u8]) -> bool {
    let allowed = |c: &u8| c.is_ascii_alphanumeric() || b"._-".contains(c);
    (1..=MAX_LEN).contains(&id.len()) && id.iter().all(allowed)
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
    fn only_valid_request_ids_are_kept() {
        let given = |id: &str| {
            let value = HeaderValue::from_bytes(id.as_bytes()).unwrap();
            let request = sanitize(Request::builder().header(X_REQUEST_ID, value).body(()).unwrap());
            let kept = request.headers().get(X_REQUEST_ID).cloned();
            let id = request_id(request.headers());
            assert!(kept.is_none_or(|kept| kept == id));
            request.headers().get(X_REQUEST_ID).cloned()
        };
        for good in ["a", "Trace-1_2.3", &"x".repeat(128)] {
            assert_eq!(given(good).unwrap(), good);
        }
        for bad in ["", "a b", "a\"b", "é", "a=b", &"x".repeat(129)] {
            assert_eq!(given(bad), None, "{bad:?}");
        }
        assert_eq!(new_id().len(), 32);
        assert_ne!(new_id(), new_id());
    }
}
