//! The accept loop. Ours, because `axum::serve` sets no timer and so bounds no header.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use axum::{extract::Request, response::Response};
use hyper_util::server::graceful::GracefulShutdown;
use ipnet::IpNet;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, oneshot},
    task::{JoinHandle, JoinSet},
};

use super::connection;
use crate::{
    clock::{SharedClock, before},
    http::Peer,
    telemetry::events,
};

/// After the machine ran out of descriptors, say: long enough for some to come free.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// What a connection may take.
#[derive(Clone)]
pub(super) struct Bounds {
    pub(super) max_connections: usize,
    pub(super) header_timeout: Duration,
    pub(super) idle_timeout: Duration,
    /// Who is believed where a request comes from.
    pub(super) proxies: Arc<[IpNet]>,
}

/// What answers the requests of a listener.
pub(super) trait Service: Clone + Send + Sync + 'static {
    /// The answer to a request from `peer`.
    fn answer(&self, peer: &Peer, request: Request) -> impl Future<Output = Response> + Send;
}

/// One listening socket, served by a task.
pub(super) struct Door {
    close: oneshot::Sender<()>,
    accepting: JoinHandle<Connections>,
    clock: SharedClock,
}

struct Connections {
    open: JoinSet<()>,
    graceful: GracefulShutdown,
}

impl Door {
    /// Begins to serve on `socket`.
    pub(super) fn open(
        what: &'static str,
        socket: TcpListener,
        service: impl Service,
        bounds: Bounds,
        clock: SharedClock,
    ) -> Self {
        if let Ok(address) = socket.local_addr() {
            events::listening(what, address);
        }
        let (close, closed) = oneshot::channel();
        let accepting = tokio::spawn(accept(socket, service, bounds, clock.clone(), closed));
        Self { close, accepting, clock }
    }

    /// Takes no further connection, lets those that are open finish within `timeout`, then calls `at_end`,
    /// gives them `last_words` longer, and cuts off the rest. Gives the number that did not finish in time.
    pub(super) async fn close(self, timeout: Duration, at_end: impl FnOnce(), last_words: Duration) -> usize {
        // Fails only if the task is gone, and with it every connection.
        let _ = self.close.send(());
        let Ok(Connections { mut open, graceful }) = self.accepting.await else { return 0 };
        let clock = self.clock.as_ref();
        let finished = tokio::spawn(graceful.shutdown());
        if before(clock, clock.now().after(timeout), drained(&mut open)).await.is_some() {
            return 0;
        }
        let cut_off = open.len();
        at_end();
        before(clock, clock.now().after(last_words), drained(&mut open)).await;
        open.shutdown().await;
        finished.abort();
        cut_off
    }
}

async fn drained(open: &mut JoinSet<()>) {
    while open.join_next().await.is_some() {}
}

async fn accept(
    socket: TcpListener,
    service: impl Service,
    bounds: Bounds,
    clock: SharedClock,
    mut closed: oneshot::Receiver<()>,
) -> Connections {
    let graceful = GracefulShutdown::new();
    let mut open = JoinSet::new();
    let room = Arc::new(Semaphore::new(bounds.max_connections));
    loop {
        let next = async {
            // Before the accept: who finds no room waits in the kernel's queue.
            let place = Arc::clone(&room).acquire_owned().await;
            (place, socket.accept().await)
        };
        let accepted: (_, std::io::Result<(TcpStream, SocketAddr)>) = tokio::select! {
            biased;
            _ = &mut closed => break,
            Some(_) = open.join_next() => continue,
            next = next => next,
        };
        match accepted {
            (place, Ok((stream, peer))) => {
                // Answers are small and whole; waiting to fill a packet only adds latency.
                let _ = stream.set_nodelay(true);
                let serving =
                    connection::serve(stream, peer, service.clone(), bounds.clone(), clock.clone(), graceful.watcher());
                open.spawn(async move {
                    serving.await;
                    drop(place);
                });
            }
            (_, Err(reason)) => {
                events::accept_failed(&reason);
                clock.sleep(AFTER_FAILURE).await;
            }
        }
    }
    Connections { open, graceful }
}
