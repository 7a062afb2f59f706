//! What the layers and the handler of one request share.

use std::{
    convert::Infallible,
    sync::{Arc, OnceLock},
};

use axum::{
    extract::FromRequestParts,
    http::{HeaderValue, request},
};
use parking_lot::{Mutex, MutexGuard};

use super::{
    config_snapshot::ConfigSnapshot,
    problem::Problem,
    state::{AppState, ClientInfo},
};
use crate::{
    auth::{Caller, Identity},
    fetch::{Found, Served, Tally},
    limits::{InFlightPermit, RateLimitDecision},
    telemetry::traces::RequestSpan,
    upstream::Effort,
};

/// A request's context. It travels in the request's extensions; a clone is another handle to the same context.
#[derive(Clone)]
pub(crate) struct RequestContext(Arc<Inner>);

struct Inner {
    state: Arc<AppState>,
    client: Arc<ClientInfo>,
    span: RequestSpan,
    admission: OnceLock<Admission>,
    facts: Mutex<Facts>,
}

/// The caller of a request, and the configuration that its rights come from: all rights of one request come from one
/// configuration, also if another is loaded in between.
pub(crate) struct Admission {
    pub(crate) snapshot: Arc<ConfigSnapshot>,
    pub(crate) identity: Identity,
}

/// What the log event of a request is made of.
#[derive(Default)]
pub(crate) struct Facts {
    /// The path's template; empty if no route matched.
    pub(crate) route: &'static str,
    pub(crate) caller: Option<Arc<Caller>>,
    /// The caller's `RateLimit-Policy`, and its limit after this request.
    pub(crate) rate_limit: Option<(HeaderValue, RateLimitDecision)>,
    /// Released when the response is ready.
    pub(crate) permit: Option<InFlightPermit>,
    /// What the vendor calls of this request cost.
    pub(crate) effort: Effort,
    pub(crate) found: Option<Found>,
    pub(crate) parts: Tally,
}

impl RequestContext {
    pub(crate) fn new(state: Arc<AppState>, client: Arc<ClientInfo>, span: RequestSpan) -> Self {
        let (admission, facts) = (OnceLock::new(), Mutex::default());
        Self(Arc::new(Inner { state, client, span, admission, facts }))
    }

    pub(crate) fn state(&self) -> &Arc<AppState> {
        &self.0.state
    }

    pub(crate) fn client(&self) -> &ClientInfo {
        &self.0.client
    }

    pub(crate) fn span(&self) -> &RequestSpan {
        &self.0.span
    }

    /// The lock is never held while waiting.
    pub(crate) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.0.facts.lock()
    }

    /// Sets the caller. Only the first call counts: a request is authenticated once.
    pub(crate) fn admit(&self, admission: Admission) {
        self.facts().caller = Some(Arc::clone(&admission.identity.caller));
        let _ = self.0.admission.set(admission);
    }

    /// Returns the caller and its configuration.
    ///
    /// # Errors
    /// The request was not authenticated: its route lacks the layer, which is a bug.
    pub(crate) fn admission(&self) -> Result<&Admission, Problem> {
        self.0.admission.get().ok_or_else(Problem::internal)
    }

    /// Records where the response comes from.
    pub(crate) fn record_cache(&self, served: &Served) {
        let mut facts = self.facts();
        (facts.found, facts.parts, facts.effort) = (Some(served.found), served.parts, served.effort);
    }

    /// Records what the vendor calls of a request without a cached response cost.
    pub(crate) fn record_effort(&self, effort: Effort) {
        self.facts().effort = effort;
    }
}

impl<S: Sync> FromRequestParts<S> for RequestContext {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut request::Parts, _: &S) -> Result<Self, Problem> {
        // The outermost layers insert it.
        parts.extensions.get::<Self>().cloned().ok_or_else(Problem::internal)
    }
}

/// A service that responds to every request.
pub trait HttpService:
    tower::Service<
        axum::extract::Request,
        Response = axum::response::Response,
        Error = Infallible,
        Future: Send + 'static,
    > + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> HttpService for S where
    S: tower::Service<
            axum::extract::Request,
            Response = axum::response::Response,
            Error = Infallible,
            Future: Send + 'static,
        > + Clone
        + Send
        + Sync
        + 'static
{
}
