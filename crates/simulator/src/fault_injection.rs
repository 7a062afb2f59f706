//! Faults in the answer.

mod gzip;

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, LOCATION, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::watch;

use super::envelope::{Refusal, SimResponse, codeless, json, page};
use super::faults::Fault;
use super::route::Route;

/// The pause between the pieces of a slow body, and how many pieces there are.
const PAUSE: Duration = Duration::from_millis(250);
const PIECES: usize = 40;

/// Bytes in the body of a huge answer.
const HUGE: usize = 20 * 1024 * 1024;

/// The answer of a fault that leaves the vendor's data alone, or nothing if the fault needs the right answer.
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
        Fault::Huge => huge(),
        Fault::GzipBomb => with(json(StatusCode::OK, gzip::bomb(HUGE)), CONTENT_ENCODING, "gzip"),
        Fault::Redirect => {
            let moved = codeless(StatusCode::FOUND, "Moved");
            with(moved, LOCATION, "http://127.0.0.1:1/")
        }
        _ => return None,
    };
    Some(response)
}

/// The right answer, or what a fault on its way makes of it.
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

/// The first half of a body; then, if it is to be cut, an error that breaks the connection. The pause in between
/// lets the server send the first half before it learns of the end.
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

fn huge() -> Response {
    const PIECE: &[u8] = &[b'x'; 64 * 1024];
    let middle = std::iter::repeat_n(Bytes::from_static(PIECE), HUGE / PIECE.len());
    let whole = std::iter::once(Bytes::from_static(br#"{"data":{"filler":""#))
        .chain(middle)
        .chain(std::iter::once(Bytes::from_static(br#""},"success":true}"#)));
    json(StatusCode::OK, Body::from_stream(stream::iter(whole.map(Ok::<_, Infallible>))))
}
