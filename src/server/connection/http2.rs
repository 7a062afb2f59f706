//! HTTP/2, over TLS only. hyper bounds sizes and counts; times are ours, since it has neither a header timeout nor an
//! idle one here (hyper#2894, hyper#2355).

use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderValue, Method, Request, StatusCode, header},
    response::Response,
};
use hyper::{
    body::{Body as _, Incoming},
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tower::ServiceExt;

use crate::http::HttpService;

use super::{
    FAREWELL, MAX_HEADERS_BYTES, MAX_STRANGER_HEADERS_BYTES, Terms,
    answer::Exchange,
    last_words::hear_out,
    streams::{End, Watch},
    tasks::Tasks,
    watched::Watched,
};

/// Requests of one connection at once. RFC 9113 (6.5.2) recommends no fewer.
const MAX_STREAMS: u32 = 100;
/// Streams that were reset before they could be looked at (CVE-2023-44487): with more, the connection ends.
const MAX_RESET_UNSEEN: usize = 20;
/// Streams that the client made us reset: with more, the connection ends.
const MAX_RESET_BY_US: usize = 200;
/// What may wait to be sent, for each stream.
const SEND_BUFFER_BYTES: usize = 32 * 1024;
/// What a client may send that nobody has read: for a stream, and for them all.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;
/// How often the client is asked whether it is there, and how long it may take to say so.
const PING_EACH: Duration = Duration::from_secs(20);

/// Serves one connection to its end.
pub(super) async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, service: impl HttpService, terms: Terms) {
    let Terms { peer, bounds, clock, mut closing, work } = terms;
    let peer = Arc::new(peer);
    let watch = Arc::new(Watch::new(Arc::clone(&peer), clock.clone(), work, Arc::clone(&bounds.stranger_blocks)));
    let tasks = Tasks::default();
    let mut stream = Watched { stream, watch: Arc::clone(&watch) };
    let shared = Arc::new((service, peer, Arc::clone(&watch), Arc::clone(&bounds.stranger_answers)));
    let service = service_fn(move |request: Request<Incoming>| {
        let shared = Arc::clone(&shared);
        let exchange = Exchange::begin(&shared.2);
        async move {
            let (service, peer, watch, stranger_answers) = shared.as_ref();
            let is_head = *request.method() == Method::HEAD;
            let mut response = if peer.is_authenticated() || head_bytes(&request) <= MAX_STRANGER_HEADERS_BYTES {
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(Arc::clone(peer));
                let Ok(response) = service.clone().oneshot(request).await;
                response
            } else {
                empty(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
            };
            // Judged after the answer was made: by then, a good credential of this request is accepted.
            let permit = if peer.is_authenticated() || !watch.has_unread_answers() {
                None
            } else {
                let permit = Arc::clone(stranger_answers).try_acquire_owned().ok();
                if permit.is_none() {
                    response = empty(StatusCode::SERVICE_UNAVAILABLE);
                }
                permit
            };
            if is_head {
                leave_out_body(&mut response);
            }
            // Has no meaning here (RFC 9113, 8.2.2): the connection says itself that it ends.
            response.headers_mut().remove(header::CONNECTION);
            Ok::<_, Infallible>(response.map(|body| exchange.answer(body, permit)))
        }
    });
    let connection = http2::Builder::new(tasks.clone())
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_pending_accept_reset_streams(MAX_RESET_UNSEEN)
        .max_local_error_reset_streams(MAX_RESET_BY_US)
        .max_header_list_size(MAX_HEADERS_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .keep_alive_interval(PING_EACH)
        .keep_alive_timeout(PING_EACH)
        .serve_connection(TokioIo::new(&mut stream), service);
    let end = {
        let mut connection = pin!(connection);
        let end = tokio::select! {
            // How a connection ends is the peer's affair.
            _ = connection.as_mut() => End::Over,
            end = watch.expired(&bounds, &tasks) => end,
            () = watch.may_be_closed(&mut closing) => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    // First, so that what was answered is given to the socket before one looks whether it has gone.
                    biased;
                    // When the client has said that it knows, and has its answers, this ends at once (RFC 9113, 6.8).
                    _ = connection.as_mut() => End::Over,
                    end = watch.expired(&bounds, &tasks) => end,
                    // A client who is gone does not say so.
                    () = watch.nothing_more_for(FAREWELL) => End::Now,
                }
            }
        };
        if end == End::Gentle {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                biased;
                _ = connection.as_mut() => End::Over,
                () = watch.nothing_more_for(FAREWELL) => End::Now,
                () = clock.sleep(bounds.header_timeout) => End::Now,
            }
        } else {
            end
        }
    };
    tasks.end_all();
    if end == End::Over {
        hear_out(&mut stream, clock.as_ref(), watch.last_answer().after(FAREWELL)).await;
    }
}

/// An answer without a body.
fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// The size of a head as it is written in HTTP/1.1.
fn head_bytes(request: &Request<Incoming>) -> usize {
    let fields = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    request.uri().path_and_query().map_or(0, |target| target.as_str().len()) + fields.sum::<usize>()
}

/// What hyper does for a HEAD in HTTP/1 alone (RFC 9110, section 9.3.2).
fn leave_out_body(response: &mut Response) {
    let body = std::mem::take(response.body_mut());
    if let Some(length) = body.size_hint().exact().filter(|length| *length > 0) {
        response.headers_mut().entry(header::CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
}
