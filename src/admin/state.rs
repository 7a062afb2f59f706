//! The admin listener's state.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::{event_stream::StatusBroadcast, traffic_history::TrafficHistory};
use crate::http::AppState;

/// Actions that run concurrently, those of clients that have disconnected included.
const MAX_CONCURRENT_ACTIONS: usize = 16;

/// The admin listener's state.
pub struct AdminState {
    pub(super) app: Arc<AppState>,
    pub(super) config: Arc<dyn ConfigControl>,
    pub(super) history: TrafficHistory,
    pub(super) broadcast: StatusBroadcast,
    /// Permits of the actions that run.
    pub(super) actions: Arc<Semaphore>,
}

/// The configuration, as operators see and change it.
pub trait ConfigControl: Send + Sync + 'static {
    /// Returns the member `configuration` of the status.
    fn status(&self) -> Value;
    /// Reads the configuration again. Returns the settings that need a restart, or why nothing was changed.
    fn reload(&self) -> BoxFuture<'static, Result<Vec<String>, ReloadRejected>>;
}

/// Why the configuration was not reloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReloadRejected {
    /// Another reload is in progress.
    InProgress,
    /// The configuration's faults.
    Faults(Vec<String>),
}

impl AdminState {
    /// The state of an admin listener for the gateway of `app`.
    pub fn new(app: Arc<AppState>, config: Arc<dyn ConfigControl>) -> Arc<Self> {
        Arc::new(Self {
            config,
            history: TrafficHistory::new(app.clock.now(), app.clock.wall()),
            broadcast: StatusBroadcast::new(Arc::clone(&app.clock)),
            actions: Arc::new(Semaphore::new(MAX_CONCURRENT_ACTIONS)),
            app,
        })
    }

    /// Sends the status to the subscribers of `/admin/events`. It never ends: to be run as one task.
    pub async fn broadcast_status(self: Arc<Self>) {
        let state = Arc::clone(&self);
        self.broadcast.produce(move || state.status_document().to_string()).await;
    }

    /// Ends the streams of `/admin/events`.
    pub fn close_streams(&self) {
        self.broadcast.close();
    }

    /// Adds the counters to the traffic history. To be called about each ten seconds.
    pub fn sample_traffic(&self) {
        let totals = self.app.metrics.totals();
        self.history.push(self.app.clock.now(), self.app.clock.wall(), &totals);
    }

    pub(super) fn status_document(&self) -> Value {
        // Structs of texts and numbers always have a form in JSON.
        serde_json::to_value(self.status()).unwrap_or_default()
    }
}
