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

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_rustls::{TlsAcceptor, server::TlsStream};
pub(super) use work::{AllWork, Work};

use super::{
    certificates::{Certificates, HTTP_2},
    listener::{Bounds, Service},
    socket::Stream,
};
use crate::{
    clock::{SharedClock, before},
    http::Peer,
    telemetry::events,
};

/// The longest head of a request, its names and values together.
const MAX_HEADERS_BYTES: u32 = 64 * 1024;
/// The same until a credential was accepted on the connection: so many bytes of a stranger are held.
const MAX_STRANGER_HEADERS_BYTES: usize = 16 * 1024;

/// What TLS encrypts ahead of the socket, for each connection: one record.
const MAX_TLS_BUFFER_BYTES: usize = 16 * 1024;

/// How long a new connection may wait for its first request once the listener closes: the client may not know yet, and
/// its request be on its way.
const FIRST_WORDS: Duration = Duration::from_secs(1);
/// How long a connection that is kept between requests may still send one while the listener closes: who sends them one
/// after the other is told with the answer to the next that there is no other.
const NEXT_WORDS: Duration = Duration::from_secs(1);
/// How long a client may take to read the last answer of a connection that we end, and to see that it ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a connection is served by and with.
pub(super) struct Terms {
    pub(super) peer: Peer,
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

/// Serves one connection to its end.
pub(super) async fn serve(
    stream: Stream,
    certificates: Option<Arc<Certificates>>,
    service: impl Service,
    terms: Terms,
) {
    let Some(certificates) = certificates else { return http1::serve(stream, service, terms).await };
    // In the connection's own task, so that a client who does not finish it delays nobody.
    let handshake = TlsAcceptor::from(certificates.current()).accept(stream);
    let deadline = terms.clock.now().after(terms.bounds.header_timeout);
    let stream: TlsStream<Stream> = match before(terms.clock.as_ref(), deadline, handshake).await {
        Some(Ok(mut stream)) => {
            // What waits to be sent, encrypted: rustls takes 64 KiB otherwise.
            stream.get_mut().1.set_buffer_limit(Some(MAX_TLS_BUFFER_BYTES));
            stream
        }
        Some(Err(reason)) => return events::handshake_failed(&reason),
        None => return events::handshake_timed_out(),
    };
    if stream.get_ref().1.alpn_protocol() == Some(HTTP_2) {
        http2::serve(stream, service, terms).await;
    } else {
        http1::serve(stream, service, terms).await;
    }
}
