//! Routes on which the vendor refuses even a new token: the account may not use them. Pure.
//!
//! Without this, one such route would throw the login away again and again, and every other route with it.

use std::{collections::HashMap, time::Duration};

use crate::{clock::Moment, model::Route};

const FIRST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(300);

/// Which routes are not asked for now. At most one entry a route.
#[derive(Default)]
pub(super) struct Barred(HashMap<Route, Bar>);

struct Bar {
    until: Moment,
    wait: Duration,
}

impl Barred {
    /// How long `route` is not to be asked for, if it is not.
    pub(super) fn left(&self, route: Route, now: Moment) -> Option<Duration> {
        self.0.get(&route).map(|bar| bar.until.since(now)).filter(|left| !left.is_zero())
    }

    /// A new token was refused on `route`. Each wait is twice the last; gives it.
    pub(super) fn bar(&mut self, route: Route, now: Moment) -> Duration {
        let last = self.0.get(&route).map_or(Duration::ZERO, |bar| bar.wait);
        let wait = last.saturating_mul(2).clamp(FIRST, LONGEST);
        self.0.insert(route, Bar { until: now.after(wait), wait });
        wait
    }

    /// `route` was answered.
    pub(super) fn lift(&mut self, route: Route) {
        self.0.remove(&route);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_is_longer_and_an_answer_ends_them() {
        let at = |seconds| Moment::default().after(Duration::from_secs(seconds));
        let mut barred = Barred::default();
        assert_eq!(barred.left(Route::Surveys, at(0)), None);
        assert_eq!(barred.bar(Route::Surveys, at(0)), Duration::from_secs(2));
        assert_eq!(barred.left(Route::Surveys, at(1)), Some(Duration::from_secs(1)));
        assert_eq!(barred.left(Route::Questions, at(1)), None);
        assert_eq!(barred.left(Route::Surveys, at(2)), None);
        assert_eq!(barred.bar(Route::Surveys, at(2)), Duration::from_secs(4));
        barred.lift(Route::Surveys);
        assert_eq!(barred.bar(Route::Surveys, at(9)), Duration::from_secs(2));
    }
}
