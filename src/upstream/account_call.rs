//! The routes by which a password is changed: they take the client id, and no token.

use super::{
    UpstreamError, Wesal,
    client::Request,
    failure::Failure,
    transport::Credential,
    vendor::{Called, Effort, Patience},
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
        let mut effort = Effort::default();
        let once = async {
            // What comes of it says nothing of the others' calls, so it is no probe either.
            self.heed_breaker()?;
            let mut wait = self.max_wait;
            self.wait_out_pause(route, &mut wait).await?;
            self.take_from_budget(Patience::Waits, &mut wait).await?;
            self.wait_out_pause(route, &mut wait).await?;
            let own = self.own.load_full();
            let credential = Credential::ClientId(&own.client_id);
            self.try_once(&request, credential, None, deadline, None, &mut effort).await.map_err(
                |failure| match failure {
                    Failure::Passing(error) | Failure::Final(error) => error,
                    // There is no token on these routes: it is the client id that is refused.
                    Failure::TokenDead => UpstreamError::Failed { code: None, said_no: true },
                    Failure::Throttled(retry_after) => UpstreamError::RateLimited { retry_after },
                },
            )
        };
        let done = before(self.clock.as_ref(), deadline, once).await;
        Called { result: done.unwrap_or(Err(UpstreamError::Timeout)), began, effort }
    }
}
