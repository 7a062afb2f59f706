//! The vendor in a box: a simulated Wesal API over HTTP.
//!
//! It answers as the vendor's reference says, and in the places where the reference is silent or contradicts itself
//! in one plausible way: every curl of the reference works against it. Its data are living and repeatable, a pure
//! function of a seed, the time and the ids asked for. It goes wrong on demand: by chance ([`Options::faults`]), once
//! ([`Simulator::script`]), or for any request with the header `X-Simulate-Fault: NAME`.
//!
//! It shares no code with whoever talks to the vendor, so that a wrong idea of the vendor cannot agree with itself.
//!
//! A call's way: `server` (which route) → `call` (record, hold, latency, credentials) → `routes` (read the body) →
//! `data` (what the vendor knows) → `answer` (its envelope) → `spoil` (the fault, if any).

mod accounts;
mod call_history;
mod control;
mod data;
mod envelope;
mod fault_injection;
mod faults;
mod handler;
mod json;
mod options;
mod rng;
mod route;
mod routes;
mod server;
mod state;
mod time;
mod token;

use std::future::Future;
use std::sync::Arc;

pub use call_history::{Recorded, RouteStats, Stats};
pub use control::BlockGuard;
pub use faults::{Fault, FaultError, FaultRule};
pub use options::{Credentials, Latency, LatencyError, Now, Options};
use state::Inner;

/// A handle on a simulated vendor. Clones share one vendor: its account, tokens, statistics and levers.
#[derive(Clone)]
pub struct Simulator {
    inner: Arc<Inner>,
}

impl Simulator {
    /// A vendor with nothing asked of it yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { inner: Arc::new(Inner::new(options)) }
    }

    /// The API under `/api/v1`, the statistics as a page at `/` and as JSON at `/stats`.
    pub fn router(&self) -> axum::Router {
        server::router(&self.inner)
    }

    /// Serves HTTP/1.1 until `shutdown` completes: then no connection is taken any more, what waits is let go, and
    /// calls in flight finish. Another clone may serve the same vendor again.
    ///
    /// # Errors
    /// If the listener fails.
    pub async fn serve(
        self,
        listener: tokio::net::TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        server::serve(self.inner, listener, shutdown).await
    }
}
