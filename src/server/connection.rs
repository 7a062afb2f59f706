//! One connection. hyper has one timer for a request's head and for the silence before it; ours tells the two
//! apart by watching the bytes come in.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{body::Body, http::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{rt::TokioIo, server::graceful::Watcher};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::listener::{Bounds, Service};
use crate::{
    clock::{Moment, SharedClock},
    http::Peer,
};

const MAX_HEADERS_BYTES: usize = 64 * 1024;

/// Where a connection stands, and since when.
#[derive(Clone, Copy)]
enum Stage {
    /// Silence between requests.
    Idle(Moment),
    /// Some bytes of a request's head have come.
    Head(Moment),
    /// A request is worked on; its own deadlines hold.
    Working,
    /// Its answer is being written. What bytes come now are the rest of the request, or wait for their turn.
    Answering(Moment),
}

struct Watch {
    stage: Mutex<Stage>,
    clock: SharedClock,
}

/// Serves one connection to its end.
pub(super) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    service: impl Service,
    bounds: Bounds,
    clock: SharedClock,
    watcher: Watcher,
) {
    let watch = Arc::new(Watch { stage: Mutex::new(Stage::Idle(clock.now())), clock });
    let stream = Watched { stream, watch: Arc::clone(&watch) };
    let shared = Arc::new((service, Peer::at(peer.ip(), bounds.proxies.clone()), Arc::clone(&watch)));
    let service = service_fn(move |request: Request<Incoming>| {
        let shared = Arc::clone(&shared);
        async move {
            let (service, peer, watch) = shared.as_ref();
            watch.enter(Stage::Working);
            let response = service.answer(peer, request.map(Body::new)).await;
            watch.enter(Stage::Answering(watch.clock.now()));
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_header_size(MAX_HEADERS_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // How a connection ends is the peer's affair.
        _ = watcher.watch(connection) => {}
        () = watch.expired(&bounds) => {}
    }
}

impl Watch {
    fn enter(&self, stage: Stage) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = stage;
    }

    fn bytes_came(&self) {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if let Stage::Idle(_) = *stage {
            *stage = Stage::Head(self.clock.now());
        }
    }

    fn flushed(&self) {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if let Stage::Answering(_) = *stage {
            *stage = Stage::Idle(self.clock.now());
        }
    }

    /// Ends when the head, or the silence, has lasted too long. Looks now and then, so that a request costs no
    /// timer of its own: a connection can outlast its bound by half of the shorter one.
    async fn expired(&self, bounds: &Bounds) {
        let look_each = bounds.header_timeout.min(bounds.idle_timeout).div_f64(2.0).max(Duration::from_millis(10));
        loop {
            self.clock.sleep(look_each).await;
            let stage = *self.stage.lock().unwrap_or_else(PoisonError::into_inner);
            let now = self.clock.now();
            let over = match stage {
                // Who does not read the answer is as silent as who does not ask.
                Stage::Idle(since) | Stage::Answering(since) => now.since(since) >= bounds.idle_timeout,
                Stage::Head(since) => now.since(since) >= bounds.header_timeout,
                Stage::Working => false,
            };
            if over {
                return;
            }
        }
    }
}

struct Watched {
    stream: TcpStream,
    watch: Arc<Watch>,
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.watch.bytes_came();
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        if polled.is_ready() {
            self.watch.flushed();
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
