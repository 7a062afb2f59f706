//! Faults in the response.

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::sync::LazyLock;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, LOCATION, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use tokio::sync::watch;

use super::envelope::{Refusal, SimResponse, codeless, json, page};
use super::faults::Fault;
use super::route::Route;

/// The pause between the pieces of a slow body, and their number.
const PAUSE: Duration = Duration::from_millis(250);
const PIECES: usize = 40;

/// The filler of a huge body, in bytes.
const HUGE: usize = 20 * 1024 * 1024;

/// Returns the response of a fault, or nothing if the fault changes the regular response.
pub(crate) fn replace_response(fault: Fault, route: Route) -> Option<Response> {
    let refused = |refusal: Refusal, status: StatusCode| json(status, refusal.body(route));
    let response = match fault {
        Fault::Unavailable | Fault::Hang => page(StatusCode::SERVICE_UNAVAILABLE),
        Fault::BadGateway => page(StatusCode::BAD_GATEWAY),
        Fault::Error => codeless(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"),
        Fault::RateLimited => with(too_many(), RETRY_AFTER, "2"),
        Fault::RateLimitedBare => too_many(),
        Fault::Html => page(StatusCode::OK),
        Fault::Refused => refused(Refusal::Invalid("simulated".to_owned()), StatusCode::OK),
        Fault::Failed => codeless(StatusCode::OK, "Something went wrong"),
        Fault::Missing => refused(Refusal::Missing("simulated"), StatusCode::BAD_REQUEST),
        Fault::WrongDomain => refused(Refusal::Domain, StatusCode::FORBIDDEN),
        Fault::TokenDead => refused(Refusal::Token, StatusCode::OK),
        Fault::Unauthorized => json(StatusCode::UNAUTHORIZED, Body::empty()),
        Fault::Empty => json(StatusCode::OK, Body::empty()),
        Fault::BadJson => json(StatusCode::OK, r#"{"data":{"success":true,"result":[{"id":"0175"#),
        Fault::BadUtf8 => json(StatusCode::OK, &b"{\"data\":{\"name\":\"\xff\xfe\"},\"success\":true}"[..]),
        Fault::WrongShape => json(StatusCode::OK, r#"{"data":["not","what","was","promised"],"success":true}"#),
        Fault::Huge => json(StatusCode::OK, Body::from_stream(stream::iter(huge().map(Ok::<_, Infallible>)))),
        Fault::GzipBomb => with(json(StatusCode::OK, GZIP_BOMB.clone()), CONTENT_ENCODING, "gzip"),
        Fault::Redirect => {
            let moved = codeless(StatusCode::FOUND, "Moved");
            with(moved, LOCATION, "http://127.0.0.1:1/")
        }
        _ => return None,
    };
    Some(response)
}

/// Returns the regular response, changed by the fault.
pub(crate) fn corrupt_response(fault: Option<Fault>, answer: SimResponse, closing: watch::Receiver<u64>) -> Response {
    let SimResponse { status, body } = answer;
    match fault {
        Some(Fault::Slow) => json(status, slow_body(body, closing)),
        Some(Fault::Cut) => json(status, truncate(&body, true)),
        Some(Fault::Truncated) => {
            let mut response = json(status, truncate(&body, false));
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
            response
        }
        _ => json(status, body),
    }
}

fn with(mut response: Response, name: HeaderName, value: &'static str) -> Response {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

fn too_many() -> Response {
    codeless(StatusCode::TOO_MANY_REQUESTS, "Too many requests")
}

/// Returns the first half of a body, followed by an error if the connection is to be cut. The pause in between lets the
/// server send the half first.
fn truncate(body: &Bytes, cut: bool) -> Body {
    let start = body.slice(..body.len() / 2);
    Body::from_stream(stream::unfold(Some(start), move |start| async move {
        if let Some(start) = start {
            return Some((Ok(start), None));
        }
        tokio::task::yield_now().await;
        cut.then(|| (Err(io::Error::new(io::ErrorKind::ConnectionReset, "simulated")), None))
    }))
}

fn slow_body(body: Bytes, closing: watch::Receiver<u64>) -> Body {
    let piece = body.len().div_ceil(PIECES).max(1);
    Body::from_stream(stream::unfold((body, closing), move |(mut rest, mut closing)| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            _ = closing.changed() => return None,
        }
        let next = rest.split_to(piece.min(rest.len()));
        Some((Ok::<_, Infallible>(next), (rest, closing)))
    }))
}

/// Returns a JSON text with 20 MiB of filler, in pieces.
fn huge() -> impl Iterator<Item = Bytes> {
    const PIECE: &[u8] = &[b'x'; 64 * 1024];
    let filler = std::iter::repeat_n(Bytes::from_static(PIECE), HUGE / PIECE.len());
    let head = Bytes::from_static(br#"{"data":{"filler":""#);
    let tail = Bytes::from_static(br#""},"success":true}"#);
    std::iter::once(head).chain(filler).chain(std::iter::once(tail))
}

/// The huge text as gzip, compressed once.
static GZIP_BOMB: LazyLock<Bytes> = LazyLock::new(|| {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = huge().try_for_each(|piece| encoder.write_all(&piece));
    // Writing into a Vec cannot fail.
    written.and_then(|()| encoder.finish()).unwrap_or_default().into()
});

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn gzip_bomb_is_small_and_unpacks_to_20_mib() {
        let mut text = String::new();
        GzDecoder::new(&GZIP_BOMB[..]).read_to_string(&mut text).unwrap();
        assert!(GZIP_BOMB.len() < 200 * 1024, "{}", GZIP_BOMB.len());
        assert!(text.len() > HUGE && text.starts_with(r#"{"data""#) && text.ends_with("true}"), "{}", text.len());
    }
}
