//! The accept loop. Ours, because `axum::serve` sets no timer and so bounds no header.

use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch},
    task::{JoinHandle, JoinSet},
};

use super::{
    certificates::Certificates,
    connection::{self, AllWork, Bounds, Closing},
    socket::{Socket, Stream},
};
use crate::{
    clock::{SharedClock, before},
    http::{ClientInfo, HttpService},
    telemetry::{Metrics, events},
};

/// After the machine ran out of descriptors, say: long enough for some to come free.
const AFTER_FAILURE: Duration = Duration::from_millis(100);
/// How long the kernel has to finish the connections that it began for a socket that is about to close: a client's second
/// packet is under way for as long as the network takes, and finds nobody once the socket is closed. Well below the second
/// after which those who are turned away come again.
pub(super) const LAST_CALL: Duration = Duration::from_millis(300);

/// One listening socket, served by a task.
pub(super) struct Door {
    what: &'static str,
    close: oneshot::Sender<()>,
    accepting: JoinHandle<Connections>,
    pulse: Pulse,
    clock: SharedClock,
}

/// Asks an accept loop whether it still goes round.
#[derive(Clone)]
pub(super) struct Pulse(mpsc::Sender<oneshot::Sender<()>>);

struct Connections {
    open: JoinSet<()>,
    closing: watch::Sender<bool>,
    work: AllWork,
}

/// What the accept loop gives each connection.
struct Hall<S> {
    service: S,
    certificates: Option<Arc<Certificates>>,
    bounds: Bounds,
    clock: SharedClock,
    connections: Connections,
}

impl Door {
    /// Begins to serve on `socket`: HTTPS if there are `certificates`.
    pub(super) fn open(
        what: &'static str,
        socket: Socket,
        certificates: Option<Arc<Certificates>>,
        service: impl HttpService,
        bounds: Bounds,
        clock: SharedClock,
    ) -> Self {
        if let Some(address) = socket.address() {
            events::listening(what, &address);
        }
        let (close, closed) = oneshot::channel();
        let (pulse, felt) = Pulse::new();
        let closing = watch::Sender::new(false);
        let connections = Connections { open: JoinSet::new(), closing, work: AllWork::default() };
        let hall = Hall { service, certificates, bounds, clock: clock.clone(), connections };
        let accepting = tokio::spawn(accept(socket, hall, closed, felt));
        Self { what, close, accepting, pulse, clock }
    }

    /// Its name.
    pub(super) fn what(&self) -> &'static str {
        self.what
    }

    /// What tells whether it still accepts.
    pub(super) fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Takes no further connection, lets those that are open finish within `timeout`, then calls `at_end`,
    /// gives them `last_words` longer, and cuts off the rest. Gives the number of those that had not finished a request in time.
    pub(super) async fn close(self, timeout: Duration, at_end: impl FnOnce(), last_words: Duration) -> usize {
        // Fails only if the task is gone, and with it every connection.
        let _ = self.close.send(());
        let Ok(Connections { mut open, closing, work }) = self.accepting.await else { return 0 };
        let clock = self.clock.as_ref();
        closing.send_replace(true);
        if before(clock, clock.now().after(timeout), drained(&mut open)).await.is_some() {
            return 0;
        }
        // Who only kept a connection open lost nothing.
        let cut_off = work.connections();
        at_end();
        before(clock, clock.now().after(last_words), drained(&mut open)).await;
        open.shutdown().await;
        cut_off
    }
}

impl Pulse {
    /// And where it is felt.
    pub(super) fn new() -> (Self, mpsc::Receiver<oneshot::Sender<()>>) {
        let (pulse, felt) = mpsc::channel(1);
        (Self(pulse), felt)
    }

    /// Ends when the accept loop has gone round once more; never if it is gone.
    pub(super) async fn felt(&self) {
        let (answer, answered) = oneshot::channel();
        if self.0.send(answer).await.is_err() || answered.await.is_err() {
            std::future::pending().await
        }
    }
}

async fn drained(open: &mut JoinSet<()>) {
    while open.join_next().await.is_some() {}
}

async fn accept<S: HttpService>(
    socket: Socket,
    mut hall: Hall<S>,
    mut closed: oneshot::Receiver<()>,
    mut felt: mpsc::Receiver<oneshot::Sender<()>>,
) -> Connections {
    let room = Arc::new(Semaphore::new(hall.bounds.max_connections));
    let mut failing = false;
    loop {
        let next = async {
            // Before the accept: who finds no room waits in the kernel's queue.
            let place = Arc::clone(&room).acquire_owned().await;
            (place.ok(), socket.accept().await)
        };
        let accepted = tokio::select! {
            biased;
            _ = &mut closed => break,
            Some(asked) = felt.recv() => {
                let _ = asked.send(());
                continue;
            }
            Some(_) = hall.connections.open.join_next() => continue,
            next = next => next,
        };
        match accepted {
            (place, Ok((stream, peer))) => {
                failing = false;
                hall.welcome(stream, peer, place);
            }
            (_, Err(reason)) => {
                // It may go on like this for hours.
                if !std::mem::replace(&mut failing, true) {
                    events::accept_failed(&reason);
                }
                hall.clock.sleep(AFTER_FAILURE).await;
            }
        }
    }
    if socket.turn_away() {
        let last_call = hall.clock.now().after(LAST_CALL);
        while let Some(accepted) = before(hall.clock.as_ref(), last_call, socket.accept()).await {
            match accepted {
                Ok((stream, peer)) => hall.welcome(stream, peer, None),
                Err(_) => hall.clock.sleep(LAST_CALL).await,
            }
        }
    }
    // Who was let in by the kernel is answered, for whom there is room or not: these are few, and all there will be.
    for (stream, peer) in socket.close() {
        hall.welcome(stream, peer, None);
    }
    hall.connections
}

impl<S: HttpService> Hall<S> {
    fn welcome(&mut self, stream: Stream, peer: IpAddr, place: Option<OwnedSemaphorePermit>) {
        stream.set_options();
        let terms = connection::Terms {
            peer: ClientInfo::new(peer, Arc::clone(&self.bounds.proxies)),
            bounds: self.bounds.clone(),
            clock: self.clock.clone(),
            closing: Closing(self.connections.closing.subscribe()),
            work: self.connections.work.one(),
        };
        let connected = self.bounds.metrics.as_ref().map(Metrics::connection);
        let serving = connection::serve(stream, self.certificates.as_deref(), self.service.clone(), terms);
        self.connections.open.spawn(async move {
            serving.await;
            drop((place, connected));
        });
    }
}
