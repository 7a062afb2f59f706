//! The waits of ours before a try: for the end of a pause that the vendor asked for, and for our own budget.

use std::time::Duration;

use super::{Wesal, budget::Spent, client::lock, error::UpstreamError};
use crate::{clock::Moment, model::Route};

/// Until when the vendor asked us to wait. A 429 on a route of accounts is about that account as a rule, and must not
/// stop what all callers ask; nor the other way round.
#[derive(Default)]
pub(super) struct Pauses {
    data: Moment,
    account: Moment,
}

impl Pauses {
    fn of(&mut self, route: Route) -> &mut Moment {
        if route.is_of_account() { &mut self.account } else { &mut self.data }
    }

    /// Until when no data may be asked for.
    pub(super) fn of_data(&self) -> Moment {
        self.data
    }

    /// `route` was told to wait until then. A pause is never cut short.
    pub(super) fn lengthen(&mut self, route: Route, until: Moment) {
        let paused = self.of(route);
        *paused = (*paused).max(until);
    }
}

impl Wesal {
    /// A 429 stops all calls of its kind, not only the one that met it. Another may lengthen the pause while this one waits.
    pub(super) async fn wait_out_pause(&self, route: Route, max_wait: Duration) -> Result<(), UpstreamError> {
        let give_up = self.clock.now().after(max_wait);
        loop {
            let until = *lock(&self.pauses).of(route);
            let now = self.clock.now();
            if until <= now {
                return Ok(());
            }
            if until > give_up {
                return Err(UpstreamError::RateLimited { retry_after: until.since(now) });
            }
            self.clock.sleep_until(until).await;
        }
    }

    pub(super) async fn take_from_budget(&self, max_wait: Duration) -> Result<(), UpstreamError> {
        let spent = |Spent { retry_after }| UpstreamError::BudgetExhausted { retry_after };
        self.budget.take(max_wait).await.map_err(spent)
    }
}
