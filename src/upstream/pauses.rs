//! The waits of ours before a try: for the end of a pause that the vendor asked for, and for our own budget.

use std::time::Duration;

use super::{Wesal, budget::Spent, client::lock, error::UpstreamError, vendor::Patience};
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
    /// Of `wait`, which is how long the call may still wait in all its tries together, it takes what it has used.
    pub(super) async fn wait_out_pause(&self, route: Route, wait: &mut Duration) -> Result<(), UpstreamError> {
        loop {
            let until = *lock(&self.pauses).of(route);
            let now = self.clock.now();
            let left = until.since(now);
            if left.is_zero() {
                return Ok(());
            }
            if left > *wait {
                return Err(UpstreamError::RateLimited { retry_after: left });
            }
            self.clock.sleep_until(until).await;
            *wait = wait.saturating_sub(self.clock.now().since(now));
        }
    }

    /// Likewise.
    pub(super) async fn take_from_budget(&self, patience: Patience, wait: &mut Duration) -> Result<(), UpstreamError> {
        let most = if patience == Patience::Waits { *wait } else { Duration::ZERO };
        let now = self.clock.now();
        let spent = |Spent { retry_after }| UpstreamError::BudgetExhausted { retry_after };
        self.budget.take(most).await.map_err(spent)?;
        *wait = wait.saturating_sub(self.clock.now().since(now));
        Ok(())
    }
}
