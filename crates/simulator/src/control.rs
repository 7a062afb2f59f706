//! The control API: what a test can do to a running simulator.

use std::sync::Arc;

use bytes::Bytes;

use super::Simulator;
use super::call_history::{Recorded, Stats};
use super::faults::Fault;
use super::options::Credentials;
use super::route::Route;
use super::state::Inner;

#[allow(clippy::panic, reason = "with a mistyped route a call would do nothing, and a test would pass without testing")]
fn route_named(name: &str) -> Route {
    name.parse().unwrap_or_else(|_| panic!("there is no route `{name}`; there are: {}", Route::names()))
}

/// Functions that take a route panic unless it is one of `login`, `reset`, `verify`, `logout`, `organization`,
/// `questions`, `surveys`, `summary`, `activity`, `performance`, `further`.
impl Simulator {
    /// Returns the current client id, email and password.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        self.inner.state().account.credentials().clone()
    }

    /// Returns the requests so far, in numbers.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.inner.state().history.stats.clone()
    }

    /// Returns the ids of all 100 queues, the reference's two first.
    #[must_use]
    pub fn queue_ids(&self) -> Vec<String> {
        self.inner.queues.iter().map(|queue| queue.id.clone()).collect()
    }

    /// Makes the next request of the route fail in this way, once. Further faults for a route queue up.
    pub fn enqueue_fault(&self, route: &str, fault: Fault) {
        self.inner.state().enqueue_fault(route_named(route), fault);
    }

    /// Forgets the faults that are enqueued for the route.
    pub fn clear_faults(&self, route: &str) {
        self.inner.state().clear_faults(route_named(route));
    }

    /// Blocks requests of the route that arrive from now on, until the guard is released or dropped.
    #[must_use = "a dropped guard blocks nothing"]
    pub fn block_requests(&self, route: &str) -> BlockGuard {
        let route = route_named(route);
        let number = self.inner.state().next_block();
        self.inner.blocks.send_modify(|blocks| {
            blocks.insert(number, route);
        });
        BlockGuard { inner: Arc::clone(&self.inner), number }
    }

    /// Waits until this many requests of the route have arrived since the simulator was created.
    pub async fn wait_for_requests(&self, route: &str, count: u64) {
        let route = route_named(route);
        let mut arrivals = self.inner.arrivals.subscribe();
        // The sender lives as long as `self`, so this cannot fail.
        let _ = arrivals.wait_for(|arrivals| arrivals.get(&route).copied().unwrap_or_default() >= count).await;
    }

    /// Revokes every token issued so far.
    pub fn expire_tokens(&self) {
        self.inner.state().tokens.revoke_all();
    }

    /// Changes the account's password. Tokens stay alive.
    pub fn set_password(&self, password: &str) {
        self.inner.state().account.set_password(password);
    }

    /// Returns the code that the latest reset "sent", until it is used.
    #[must_use]
    pub fn last_code(&self) -> Option<String> {
        self.inner.state().account.last_code().map(str::to_owned)
    }

    /// Replaces the body of each successful answer of the route with exactly these bytes, until cleared.
    pub fn set_answer(&self, route: &str, body: impl Into<Bytes>) {
        let mut state = self.inner.state();
        state.answers.insert(route_named(route), body.into());
        state.has_override = true;
    }

    /// Ends [`Self::set_answer`] for the route.
    pub fn clear_answer(&self, route: &str) {
        self.inner.state().answers.remove(&route_named(route));
    }

    /// Whether [`Self::set_answer`] was never used.
    #[must_use]
    pub fn is_unmodified(&self) -> bool {
        !self.inner.state().has_override
    }

    /// Sets the place of the token in the answer to a login, as a JSON pointer: `/data/access_token`, `/token`.
    pub fn set_login_token(&self, pointer: &str) {
        pointer.clone_into(&mut self.inner.state().token_pointer);
    }

    /// Sets the scheme that `Authorization` must have before the token. `None`, the initial value, is the bare token.
    pub fn set_auth_scheme(&self, scheme: Option<&str>) {
        self.inner.state().scheme = scheme.map(str::to_owned);
    }

    /// Returns the latest request of the route.
    #[must_use]
    pub fn last_request(&self, route: &str) -> Option<Recorded> {
        self.inner.state().history.stats.routes.get(route_named(route).name())?.last.clone()
    }

    /// Returns the latest requests of the route, oldest first: at most 1000, and 8 MiB of bodies.
    #[must_use]
    pub fn requests(&self, route: &str) -> Vec<Recorded> {
        self.inner.state().history.requests(route_named(route))
    }
}

/// Blocks the requests of one route while it lives.
pub struct BlockGuard {
    inner: Arc<Inner>,
    number: u64,
}

impl BlockGuard {
    /// Lets the requests go on, as dropping the guard does.
    pub fn release(self) {}
}

impl Drop for BlockGuard {
    fn drop(&mut self) {
        self.inner.blocks.send_modify(|blocks| {
            blocks.remove(&self.number);
        });
    }
}
