//! A simulated Wesal API over HTTP.
//!
//! It answers as the vendor's reference says, and where the reference is silent or contradicts itself, in one plausible
//! way. Every curl of the reference works against it. Its data change with time and are repeatable: a pure function of
//! a seed, the time and the requested ids. It fails on request: at random ([`Options::faults`]), once
//! ([`Simulator::enqueue_fault`]), or for any request with the header `X-Simulate-Fault: NAME`.
//!
//! It depends on nothing of the gateway, so that a wrong idea of the vendor cannot agree with itself.
//!
//! The path of a request: `server` (route) → `handler` (record, block, latency, credentials) → `routes` (read the body) →
//! `data` (the vendor's data) → `envelope` (success or failure) → `fault_injection`.

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

/// A handle on a simulated vendor. Clones share one vendor: its account, tokens, statistics and settings.
#[derive(Clone)]
pub struct Simulator {
    inner: Arc<Inner>,
}

impl Simulator {
    /// Creates a vendor without any history.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { inner: Arc::new(Inner::new(options)) }
    }

    /// Returns the API below `/api/v1`, and the statistics as a page at `/` and as JSON at `/stats`.
    pub fn router(&self) -> axum::Router {
        server::router(&self.inner)
    }

    /// Serves HTTP/1.1 until `shutdown` completes. Then it accepts no connection any more, ends every wait, and lets
    /// requests in flight finish. Another clone may serve the same vendor again.
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
