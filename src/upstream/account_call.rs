//! The routes by which a password is changed: they take the client id, and no token.

use std::time::Duration;

use super::{
    UpstreamError, Wesal,
    client::{Progress, Request},
    failure::Failure,
    gate::{Entry, Queue},
    transport::Credential,
    vendor::{Called, Effort},
};
use crate::{clock::before, model::Route, telemetry::traces::TracePoint};

/// A call of a route that takes no token: what is sent is what was validated, written anew.
pub struct AccountRequest {
    /// Which route.
    pub route: Route,
    /// Its path under the base URL, with the query parameters that go along.
    pub target: String,
    /// JSON.
    pub body: String,
}

impl Wesal {
    /// Calls `/auth/reset` or `/auth/verify`, once: they are not safe to repeat.
    pub async fn call_account(&self, request: AccountRequest, under: TracePoint) -> Called {
        let AccountRequest { route, target, body } = request;
        let request = Request { route, target: &target, body: Some(body.into()), under: &under };
        let began = self.clock.now();
        let deadline = began.after(self.request_timeout);
        let mut progress = Progress { began, effort: Effort::default() };
        let once = async {
            let mut waited = Duration::ZERO;
            let entry = Entry { queue: Queue::Account, deadline, waited: &mut waited };
            let permit = self.gate.enter(entry).await?;
            let own = self.own.load_full();
            let credential = Credential::ClientId(&own.client_id);
            self.try_once(&request, credential, None, deadline, permit, &mut progress).await.map_err(|failure| {
                match failure {
                    Failure::Passing(error) | Failure::Final(error) => error,
                    // There is no token on these routes: it is the client id that is refused.
                    Failure::TokenDead => UpstreamError::Failed { code: None, said_no: true },
                    Failure::Throttled(retry_after) => UpstreamError::RateLimited { retry_after },
                }
            })
        };
        let done = before(self.clock.as_ref(), deadline, once).await;
        progress.called(done)
    }
}
