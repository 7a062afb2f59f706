//! One connection, from its handshake to its end. Its protocol is chosen here and not by hyper-util's `auto` builder,
//! which waits without end for a peer that says nothing.

mod answer;
mod frames;
mod http1;
mod http2;
mod last_words;
mod reading;
mod streams;
mod tasks;
#[cfg(test)]
mod tests;
mod watched;
mod work;

use std::{pin::Pin, sync::Arc, time::Duration};

use ipnet::IpNet;
use tokio::sync::{Semaphore, watch};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
pub(super) use work::{AllWork, Work};

use super::{
    certificates::{Certificates, HTTP_2},
    socket::Stream,
};
use crate::{
    clock::{SharedClock, before},
    http::{ClientInfo, HttpService},
    telemetry::{Metrics, events},
};

/// The longest head of a request, its names and values together.
const MAX_HEADERS_BYTES: u32 = 64 * 1024;
/// The same until a credential was accepted on the connection: so many bytes of a stranger are held.
const MAX_STRANGER_HEADERS_BYTES: usize = 16 * 1024;

/// What TLS encrypts ahead of the socket, for each connection. An answer that is not read holds as much.
const MAX_TLS_BUFFER_BYTES: usize = 4 * 1024;

/// How long a new connection may wait for its first request once the listener closes: the client may not know yet, and
/// its request be on its way.
const FIRST_WORDS: Duration = Duration::from_secs(1);
/// How long a connection that is kept between requests may still send one while the listener closes: who sends them one
/// after the other is told with the answer to the next that there is no other.
const NEXT_WORDS: Duration = Duration::from_secs(1);
/// How long a client may take to read the last answer of a connection that we end, and to see that it ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// HTTP/2 answers to peers without a credential that are not read to their end, on all connections together. The first of
/// each connection does not count. One takes about 6 KiB.
pub(in crate::server) const MAX_STRANGER_ANSWERS: usize = 4_096;

/// Unfinished HTTP/2 header blocks of more than 4 KiB of peers without a credential, on all connections together. One takes up
/// to 32 KiB.
pub(in crate::server) const MAX_STRANGER_BLOCKS: usize = 2_048;

/// What a connection may take.
#[derive(Clone)]
pub(in crate::server) struct Bounds {
    pub(in crate::server) max_connections: usize,
    pub(in crate::server) header_timeout: Duration,
    pub(in crate::server) idle_timeout: Duration,
    /// Who is believed where a request comes from.
    pub(in crate::server) proxies: Arc<[IpNet]>,
    /// A permit for each answer that counts for [`MAX_STRANGER_ANSWERS`].
    pub(in crate::server) stranger_answers: Arc<Semaphore>,
    /// A permit for each header block that counts for [`MAX_STRANGER_BLOCKS`].
    pub(in crate::server) stranger_blocks: Arc<Semaphore>,
    /// What counts the connections, if anything does.
    pub(in crate::server) metrics: Option<Arc<Metrics>>,
}

/// What a connection is served by and with.
pub(super) struct Terms {
    pub(super) peer: ClientInfo,
    pub(super) bounds: Bounds,
    pub(super) clock: SharedClock,
    pub(super) closing: Closing,
    pub(super) work: Work,
}

/// Whether the listener is closing.
#[derive(Clone)]
pub(super) struct Closing(pub(super) watch::Receiver<bool>);

impl Closing {
    async fn begun(&mut self) {
        // Without its sender nobody listens any more.
        let _ = self.0.wait_for(|closing| *closing).await;
    }

    fn has_begun(&self) -> bool {
        *self.0.borrow()
    }
}

/// Serves one connection to its end. Each protocol has a box of its own, so that a connection takes the memory of what it
/// does and not that of the largest protocol.
pub(super) fn serve(
    stream: Stream,
    certificates: Option<&Certificates>,
    service: impl HttpService,
    terms: Terms,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    match certificates {
        None => Box::pin(http1::serve(stream, service, terms)),
        Some(certificates) => {
            let acceptor = TlsAcceptor::from(certificates.current());
            Box::pin(async move {
                // In the connection's own task, so that a client who does not finish it delays nobody.
                let Some(stream) = Box::pin(shake_hands(acceptor, stream, &terms)).await else { return };
                if stream.get_ref().1.alpn_protocol() == Some(HTTP_2) {
                    Box::pin(http2::serve(stream, service, terms)).await;
                } else {
                    Box::pin(http1::serve(stream, service, terms)).await;
                }
            })
        }
    }
}

/// Returns the encrypted stream, or nothing if the client does not finish the handshake in time.
async fn shake_hands(acceptor: TlsAcceptor, stream: Stream, terms: &Terms) -> Option<Box<TlsStream<Stream>>> {
    let deadline = terms.clock.now().after(terms.bounds.header_timeout);
    match before(terms.clock.as_ref(), deadline, acceptor.accept(stream)).await {
        Some(Ok(stream)) => {
            let mut stream = Box::new(stream);
            // What waits to be sent, encrypted: rustls takes 64 KiB otherwise.
            stream.get_mut().1.set_buffer_limit(Some(MAX_TLS_BUFFER_BYTES));
            Some(stream)
        }
        Some(Err(reason)) => {
            events::handshake_failed(&reason);
            None
        }
        None => {
            events::handshake_timed_out();
            None
        }
    }
}
