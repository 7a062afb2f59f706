//! HTTP/1.1. hyper has one timer for a request's head and for the silence before it; ours tells the two apart by
//! watching the bytes come in.

use std::{
    convert::Infallible,
    future::poll_fn,
    io,
    mem::discriminant,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderValue, Request, header},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Notify,
};

use super::{
    Bounds, Closing, FAREWELL, FIRST_WORDS, MAX_HEADERS_BYTES, MAX_STRANGER_HEADERS_BYTES, NEXT_WORDS, Terms,
    last_words::hear_out,
    reading::Reading,
    watched::{Watched, Watcher},
    work::Work,
};
use crate::{
    clock::{Moment, SharedClock, before},
    http::{ClientInfo, HttpService},
    telemetry::events,
};

/// Where a connection stands, and since when.
#[derive(Clone, Copy)]
enum Stage {
    /// Silence before the first request.
    New(Moment),
    /// Silence between requests.
    Idle(Moment),
    /// Some bytes of a request's head have come, the first at this moment.
    Head { since: Moment, bytes: usize },
    /// A request is worked on; its own deadlines hold.
    Working,
    /// Its answer is being written. What bytes come now are the rest of the request, or wait for their turn.
    Answering(Reading),
}

/// The most that one read takes. It is below the 8 KiB at which hyper begins to double its buffer, which would otherwise grow
/// to the length of a body and stay with the request while it waits for the vendor.
const MAX_READ_BYTES: usize = 4 * 1024;
/// The answer to a stranger's head that is too long: what hyper answers to one beyond [`MAX_HEADERS_BYTES`].
const HEAD_TOO_LARGE: &[u8] =
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Why the connection of a stranger ends.
#[derive(Debug, thiserror::Error)]
#[error("the head is longer than {MAX_STRANGER_HEADERS_BYTES} bytes and no credential was accepted on the connection")]
struct HeadTooLarge;

struct Watch {
    peer: Arc<ClientInfo>,
    refused_head: AtomicBool,
    stage: Mutex<Stage>,
    changed: Notify,
    work: Work,
    clock: SharedClock,
}

/// Serves one connection to its end.
pub(super) async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, service: impl HttpService, terms: Terms) {
    let Terms { peer, bounds, clock, mut closing, work } = terms;
    let peer = Arc::new(peer);
    let watch = Arc::new(Watch::new(Arc::clone(&peer), clock.clone(), work));
    let mut stream = Watched { stream, watch: Arc::clone(&watch) };
    // One clone serves all requests of the connection: a clone for each would touch reference counts that all connections share.
    let shared = Arc::new((Mutex::new(service), peer, Arc::clone(&watch), closing.clone()));
    let service = service_fn(move |request: Request<Incoming>| {
        let shared = Arc::clone(&shared);
        // Here and not in the future: hyper reads once more before it polls that, and the head has come to its end.
        shared.2.enter(Stage::Working);
        async move {
            let (service, peer, watch, closing) = shared.as_ref();
            // hyper hides a Content-Length that stood beside it; after such a request the connection must end (RFC 9112, 6.1).
            let in_chunks = request.headers().contains_key(header::TRANSFER_ENCODING);
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Arc::clone(peer));
            // Every layer is always ready. Called in the future: a request whose client leaves before has not begun.
            let response = service.lock().call(request);
            let Ok(mut response) = response.await;
            if in_chunks || closing.has_begun() {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            watch.enter(Stage::Answering(Reading::begun(watch.clock.now())));
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_header_size(usize::try_from(MAX_HEADERS_BYTES).unwrap_or(usize::MAX))
        .serve_connection(TokioIo::new(&mut stream), service);
    let ended = {
        let mut connection = pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => ended,
            () = watch.expired(&bounds) => return,
            () = watch.between_requests(&mut closing) => {
                // hyper closes at once what seems idle to it, half a head included: hence not before.
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection => ended,
                    () = watch.expired(&bounds) => return,
                }
            }
        }
    };
    if watch.has_refused_head() {
        count_malformed(&HeadTooLarge, &bounds);
        let answered = poll_fn(|cx| Pin::new(&mut stream.stream).poll_write(cx, HEAD_TOO_LARGE));
        let _ = before(clock.as_ref(), clock.now().after(FAREWELL), answered).await;
    }
    tell(ended, &bounds);
    // Past the watch, whose bounds are for requests.
    if let Some(answered) = watch.last_answer() {
        hear_out(&mut stream.stream, clock.as_ref(), answered.after(FAREWELL)).await;
    }
}

/// How a connection ends is the peer's affair, but for what hyper answers by itself: such an answer (400, 414 or 431) has no
/// body, and no line of its own in the log.
fn tell(ended: hyper::Result<()>, bounds: &Bounds) {
    if let Err(reason) = ended
        && reason.is_parse()
    {
        count_malformed(&reason, bounds);
    }
}

fn count_malformed(reason: &(dyn std::error::Error + 'static), bounds: &Bounds) {
    events::malformed_request(reason);
    if let Some(metrics) = &bounds.metrics {
        metrics.malformed_request();
    }
}

impl Watch {
    fn new(peer: Arc<ClientInfo>, clock: SharedClock, work: Work) -> Self {
        Self {
            peer,
            refused_head: AtomicBool::new(false),
            stage: Mutex::new(Stage::New(clock.now())),
            changed: Notify::new(),
            work,
            clock,
        }
    }

    fn enter(&self, stage: Stage) {
        self.step(|_| Some(stage));
    }

    /// Enters the stage that `next` gives, if any.
    fn step(&self, next: impl FnOnce(Stage) -> Option<Stage>) {
        let mut stage = self.stage.lock();
        let Some(next) = next(*stage) else { return };
        let before = std::mem::replace(&mut *stage, next);
        if discriminant(&before) == discriminant(&next) {
            return;
        }
        self.work.is_there(matches!(next, Stage::Head { .. } | Stage::Working | Stage::Answering(_)));
        drop(stage);
        self.changed.notify_waiters();
    }

    fn stage(&self) -> Stage {
        *self.stage.lock()
    }

    /// Whether the connection ends because a stranger's head is too long.
    fn has_refused_head(&self) -> bool {
        self.refused_head.load(Ordering::Relaxed)
    }

    /// When something was last answered, if anything was.
    fn last_answer(&self) -> Option<Moment> {
        match self.stage() {
            Stage::New(_) => None,
            Stage::Idle(since) => Some(since),
            // What hyper answers by itself, since it is no request, or what is just being answered.
            Stage::Head { .. } | Stage::Working | Stage::Answering(_) => Some(self.clock.now()),
        }
    }

    /// Ends when the head, or the silence, has lasted too long. A request costs no timer of its own: this looks as often
    /// as the shorter bound lasts, and sleeps to the end of what it then finds begun.
    async fn expired(&self, bounds: &Bounds) {
        let look_each = bounds.header_timeout.min(bounds.idle_timeout).max(Duration::from_millis(10));
        loop {
            let now = self.clock.now();
            let left = match self.stage() {
                Stage::Idle(since) => bounds.idle_timeout.saturating_sub(now.since(since)),
                // Who does not read the answer is as silent as who does not ask.
                Stage::Answering(reading) => bounds.idle_timeout.saturating_sub(now.since(reading.silent_since())),
                // Who has asked for nothing yet has no claim to the place that it takes.
                Stage::New(since) | Stage::Head { since, .. } => bounds.header_timeout.saturating_sub(now.since(since)),
                Stage::Working => look_each,
            };
            if left.is_zero() {
                return;
            }
            self.clock.sleep(left.min(look_each)).await;
        }
    }

    /// Ends when the listener is closing and no request is cut in two, or missed, by closing the connection.
    async fn between_requests(&self, closing: &mut Closing) {
        closing.begun().await;
        let begun = self.clock.now();
        loop {
            let changed = self.changed.notified();
            let last_call = match self.stage() {
                Stage::New(since) => since.after(FIRST_WORDS),
                // A request may be on its way on a connection that was kept.
                Stage::Idle(since) => begun.max(since).after(NEXT_WORDS),
                // Its answer may have said before that the connection is kept.
                Stage::Head { .. } | Stage::Answering(_) => {
                    changed.await;
                    continue;
                }
                // Its answer says that the connection ends.
                Stage::Working => return,
            };
            if before(self.clock.as_ref(), last_call, changed).await.is_none() {
                return;
            }
        }
    }
}

impl Watcher for Watch {
    fn read_allowance(&self) -> io::Result<usize> {
        match self.stage() {
            Stage::Head { bytes, .. } if !self.peer.is_authenticated() => {
                let left = MAX_STRANGER_HEADERS_BYTES.saturating_sub(bytes);
                if left == 0 {
                    self.refused_head.store(true, Ordering::Relaxed);
                    return Err(io::Error::other(HeadTooLarge));
                }
                Ok(left.min(MAX_READ_BYTES))
            }
            _ => Ok(MAX_READ_BYTES),
        }
    }

    fn bytes_came(&self, came: &[u8]) {
        self.step(|stage| match stage {
            Stage::New(_) | Stage::Idle(_) => Some(Stage::Head { since: self.clock.now(), bytes: came.len() }),
            Stage::Head { since, bytes } => Some(Stage::Head { since, bytes: bytes + came.len() }),
            Stage::Working | Stage::Answering(_) => None,
        });
    }

    /// The head of an answer that goes on has gone out first; what comes of it later is no silence.
    fn bytes_went(&self, bytes: usize) {
        self.step(|stage| match stage {
            Stage::Idle(_) => Some(Stage::Idle(self.clock.now())),
            Stage::Answering(mut reading) => {
                reading.took(bytes, self.clock.now());
                Some(Stage::Answering(reading))
            }
            _ => None,
        });
    }

    fn flushed(&self) {
        self.step(|stage| matches!(stage, Stage::Answering(_)).then(|| Stage::Idle(self.clock.now())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};

    #[test]
    fn an_answer_that_goes_on_is_no_silence_and_one_that_is_not_read_is() {
        let clock = ManualClock::at(jiff::Timestamp::UNIX_EPOCH);
        let peer = ClientInfo::new(std::net::Ipv4Addr::LOCALHOST.into(), Vec::new().into());
        let watch = Watch::new(Arc::new(peer), Arc::new(clock.clone()), Work::default());
        watch.enter(Stage::Answering(Reading::begun(clock.now())));
        let idle_for = || match watch.stage() {
            Stage::Idle(since) => clock.now().since(since).as_secs(),
            _ => panic!("it is not idle"),
        };
        watch.flushed();
        for _ in 0..3 {
            clock.advance(Duration::from_secs(1));
            assert_eq!(idle_for(), 1);
            watch.bytes_went(1);
            watch.flushed();
            assert_eq!(idle_for(), 0);
        }
        // Nothing goes out any more, though hyper looks after it.
        clock.advance(Duration::from_secs(5));
        watch.flushed();
        assert_eq!(idle_for(), 5);
        // What has come of a request has its own time.
        watch.bytes_came(b"G");
        watch.bytes_went(1);
        assert!(matches!(watch.stage(), Stage::Head { bytes: 1, .. }));
    }
}
