//! What a test can do to a simulator while it runs.

use std::sync::Arc;

use bytes::Bytes;

use super::Simulator;
use super::call_history::{Recorded, Stats};
use super::faults::Fault;
use super::options::Credentials;
use super::route::Route;
use super::state::Inner;

#[allow(clippy::panic, reason = "a lever with a mistyped route would do nothing, and a test would pass for nothing")]
fn route_named(name: &str) -> Route {
    name.parse().unwrap_or_else(|_| panic!("there is no route `{name}`; there are: {}", Route::names()))
}

/// Levers that name a route take one of `login`, `reset`, `verify`, `logout`, `organization`, `questions`,
/// `surveys`, `summary`, `activity`, `performance`, and panic at any other name.
impl Simulator {
    /// The client id, email and password that open the vendor now.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        self.inner.state().account.credentials().clone()
    }

    /// What has been asked so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.inner.state().history.stats()
    }

    /// All 100 queues, the reference's two first.
    #[must_use]
    pub fn queue_ids(&self) -> Vec<String> {
        self.inner.queues.iter().map(|queue| queue.id.clone()).collect()
    }

    /// The next call of this route goes wrong in this way, once; several for one route wait in line.
    pub fn enqueue_fault(&self, route: &str, fault: Fault) {
        self.inner.state().enqueue_fault(route_named(route), fault);
    }

    /// Forgets what is scripted for this route.
    pub fn clear_faults(&self, route: &str) {
        self.inner.state().clear_faults(route_named(route));
    }

    /// Calls of this route that arrive from now on wait until the guard is released or dropped.
    #[must_use = "a dropped guard blocks nothing"]
    pub fn block_requests(&self, route: &str) -> BlockGuard {
        let route = route_named(route);
        let number = self.inner.state().next_block();
        self.inner.blocks.send_modify(|blocks| {
            blocks.insert(number, route);
        });
        BlockGuard { inner: Arc::clone(&self.inner), number }
    }

    /// Waits until this many calls of the route have arrived, counted from the simulator's beginning.
    pub async fn wait_for_requests(&self, route: &str, count: u64) {
        let route = route_named(route);
        let mut arrivals = self.inner.arrivals.subscribe();
        // The sender lives as long as `self`, so this cannot fail.
        let _ = arrivals.wait_for(|arrivals| arrivals.get(&route).copied().unwrap_or_default() >= count).await;
    }

    /// Every token given out so far is dead.
    pub fn expire_tokens(&self) {
        self.inner.state().tokens.revoke_all();
    }

    /// Changes the account's password. Tokens stay alive.
    pub fn set_password(&self, password: &str) {
        self.inner.state().account.set_password(password);
    }

    /// The code that the latest reset "sent", until it is used.
    #[must_use]
    pub fn last_code(&self) -> Option<String> {
        self.inner.state().account.last_code().map(str::to_owned)
    }

    /// Until cleared, whenever this route would answer with success its body is exactly these bytes.
    pub fn set_answer(&self, route: &str, body: impl Into<Bytes>) {
        let mut state = self.inner.state();
        state.answers.insert(route_named(route), body.into());
        state.has_override = true;
    }

    /// Whether all that it has ever said was its own.
    #[must_use]
    pub fn is_unmodified(&self) -> bool {
        !self.inner.state().has_override
    }

    /// The route answers for itself again.
    pub fn clear_answer(&self, route: &str) {
        self.inner.state().answers.remove(&route_named(route));
    }

    /// Where the token stands in the answer to a login, as a JSON pointer: `/data/access_token`, `/token`.
    pub fn set_login_token(&self, pointer: &str) {
        pointer.clone_into(&mut self.inner.state().token_pointer);
    }

    /// The word that must stand before the token in `Authorization`; `None`, as at the beginning, for the bare token.
    pub fn set_auth_scheme(&self, scheme: Option<&str>) {
        self.inner.state().scheme = scheme.map(str::to_owned);
    }

    /// The latest call of a route.
    #[must_use]
    pub fn last_request(&self, route: &str) -> Option<Recorded> {
        self.inner.state().history.last(route_named(route))
    }

    /// The latest calls of a route, oldest first: at most 1000, and 8 MiB of bodies.
    #[must_use]
    pub fn requests(&self, route: &str) -> Vec<Recorded> {
        self.inner.state().history.requests(route_named(route))
    }
}

/// Blocks the calls of one route while it lives.
pub struct BlockGuard {
    inner: Arc<Inner>,
    number: u64,
}

impl BlockGuard {
    /// Lets the calls go on. Dropping the guard does the same.
    pub fn release(self) {}
}

impl Drop for BlockGuard {
    fn drop(&mut self) {
        self.inner.blocks.send_modify(|blocks| {
            blocks.remove(&self.number);
        });
    }
}
