//! What operators can see and do, put together.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::response::Response;
use futures_util::{FutureExt, future::BoxFuture};
use serde_json::Value;

use super::reload::{Refused, Reloader};
use crate::{
    admin::{NotReloaded, Operator},
    callers::Caller,
    fetch::{Purge, Readiness},
    http::{self, AppState},
    model::Route,
    telemetry::Metrics,
};

/// The one process, for its operators.
pub(super) struct Process {
    pub(super) app: Arc<AppState>,
    pub(super) reloader: Reloader,
    pub(super) metrics: Arc<Metrics>,
}

impl Operator for Process {
    fn readiness(&self) -> Readiness {
        self.app.readiness()
    }

    fn metrics(&self) -> String {
        self.app.metrics()
    }

    fn callers(&self) -> Vec<Arc<Caller>> {
        self.app.callers()
    }

    fn status(&self) -> Value {
        // Structs of texts and numbers always have a form in JSON.
        let mut status = serde_json::to_value(self.app.status()).unwrap_or_default();
        if let Value::Object(members) = &mut status {
            let configuration = serde_json::to_value(self.reloader.standing()).unwrap_or_default();
            members.insert("configuration".to_owned(), configuration);
        }
        status
    }

    fn cacheable_route(&self, template: &str) -> Option<Route> {
        self.app.cacheable_route(template)
    }

    fn purge(&self, purge: &Purge) -> u64 {
        self.app.purge(purge)
    }

    fn explain(&self, asked: &[u8]) -> Response {
        http::explain(&self.app, asked)
    }

    fn wrong_token(&self, from: IpAddr) -> Result<(), Duration> {
        self.app.record_admin_auth_failure(from)
    }

    fn note_internal_error(&self) {
        self.metrics.internal_error();
    }

    fn reload(&self) -> BoxFuture<'static, Result<Vec<String>, NotReloaded>> {
        let reloader = self.reloader.clone();
        let told = |refused: Refused| match refused {
            Refused::UnderWay => NotReloaded::UnderWay,
            other => NotReloaded::Refused(other.said()),
        };
        async move { reloader.reload_files().await.map_err(told) }.boxed()
    }
}
