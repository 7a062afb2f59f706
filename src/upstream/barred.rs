//! Routes on which the vendor refuses even a new token. Pure.
//!
//! Either the account may not use such a route: then it must not throw the login away again and again, and every other
//! route with it. Or the vendor takes no token at all for a while: then it must be found soon that it does again. What
//! tells the two apart is whether the same token was taken on another route.
//!
//! A further route is many documents, of which one alone may be refused: it is never barred for the others' sake. And one
//! that is answered says nothing of the refused one, so what logins were made for the sake of that is not forgotten.

use std::{collections::HashMap, time::Duration};

use crate::{clock::Moment, model::Route};

const FIRST: Duration = Duration::from_secs(2);
/// Between two tries of a route.
const LONGEST: Duration = Duration::from_secs(8);
/// Between two logins for the sake of a route, where the token is good on others.
const LONGEST_LOGIN: Duration = Duration::from_secs(300);

/// How long a route that was asked for again by nobody counts as refused.
const REMEMBERED: Duration = Duration::from_secs(300);

/// Which routes are not asked for now. At most one entry a route.
#[derive(Default)]
pub(super) struct Barred {
    bars: HashMap<Route, Bar>,
    /// The last login whose token was taken on any route.
    proven: u64,
}

struct Bar {
    until: Moment,
    wait: Duration,
    login_at: Moment,
    login_wait: Duration,
    /// Of a further route: the document that was refused last, which these are about.
    refused: Box<str>,
    /// And from when on a login for another one's sake may be made.
    others_at: Moment,
}

impl Barred {
    /// How long `route` is not to be asked for, if it is not.
    pub(super) fn left(&self, route: Route, now: Moment) -> Option<Duration> {
        self.bars.get(&route).map(|bar| bar.until.since(now)).filter(|left| !left.is_zero())
    }

    /// Whether a new login may help `route`, which has refused the token of `generation` for `target`.
    pub(super) fn login_may_help(&self, route: Route, target: &str, generation: u64, now: Moment) -> bool {
        let Some(bar) = self.bars.get(&route) else { return true };
        if !is_many(route) {
            return self.proven < generation || bar.login_at <= now;
        }
        let at = if *bar.refused == *target { bar.login_at } else { bar.others_at };
        at <= now
    }

    /// `route` refused the newest token there may be; `logged_in` says whether it was got for its sake, in the place of that
    /// of `generation`. Gives how long it is left alone: twice as long as the last time.
    pub(super) fn bar(
        &mut self,
        route: Route,
        target: &str,
        generation: u64,
        logged_in: bool,
        now: Moment,
    ) -> Duration {
        // Where no token is good anywhere it must be found soon that one is.
        let longest = if is_many(route) && self.proven < generation { LONGEST } else { LONGEST_LOGIN };
        let never = Bar {
            until: now,
            wait: Duration::ZERO,
            login_at: now,
            login_wait: Duration::ZERO,
            refused: Box::default(),
            others_at: now,
        };
        let bar = self.bars.entry(route).or_insert(never);
        bar.wait = next(bar.wait, LONGEST);
        bar.until = if is_many(route) { now } else { now.after(bar.wait) };
        if logged_in {
            if is_many(route) && *bar.refused != *target {
                (bar.refused, bar.login_wait) = (target.into(), Duration::ZERO);
            }
            bar.login_wait = next(bar.login_wait, longest);
            bar.login_at = now.after(bar.login_wait);
            bar.others_at = now.after(LONGEST);
        }
        bar.wait
    }

    /// Another account asks from now on.
    pub(super) fn lift_all(&mut self) {
        self.bars.clear();
    }

    /// The routes that are not asked for now, each with how long yet.
    pub(super) fn all(&self, now: Moment) -> Vec<(Route, Duration)> {
        let mut all: Vec<_> = self.bars.keys().filter_map(|route| Some((*route, self.left(*route, now)?))).collect();
        all.sort();
        all
    }

    /// Whether a route was refused when it was last asked for, not too long ago. One document of a further route may be
    /// refused for itself.
    pub(super) fn is_any_refused(&self, now: Moment) -> bool {
        self.bars.iter().any(|(route, bar)| !is_many(*route) && now.since(bar.until) < REMEMBERED)
    }

    /// `route` was answered, and took the token of `generation`; `logged_in` says whether that was got for its sake.
    pub(super) fn lift(&mut self, route: Route, generation: u64, logged_in: bool) {
        if logged_in || !is_many(route) {
            self.bars.remove(&route);
        }
        self.proven = self.proven.max(generation);
    }
}

/// Whether a route is many documents, each with rights of its own.
fn is_many(route: Route) -> bool {
    matches!(route, Route::Further(_))
}

fn next(last: Duration, longest: Duration) -> Duration {
    last.saturating_mul(2).clamp(FIRST, longest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Further;

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn at(seconds: u64) -> Moment {
        Moment::default().after(secs(seconds))
    }

    #[test]
    fn each_wait_is_longer_and_an_answer_ends_them() {
        let mut barred = Barred::default();
        assert_eq!(barred.left(Route::Surveys, at(0)), None);
        assert_eq!(barred.bar(Route::Surveys, "/x", 1, true, at(0)), secs(2));
        assert_eq!(barred.left(Route::Surveys, at(1)), Some(secs(1)));
        assert_eq!(barred.left(Route::Questions, at(1)), None);
        assert_eq!(barred.left(Route::Surveys, at(2)), None);
        assert_eq!([4, 8, 8].map(secs), [2, 6, 14].map(|now| barred.bar(Route::Surveys, "/x", 1, true, at(now))));
        barred.lift(Route::Surveys, 1, false);
        assert_eq!(barred.bar(Route::Surveys, "/x", 1, true, at(30)), secs(2));
    }

    #[test]
    fn a_route_counts_as_refused_until_it_is_answered_or_nobody_has_asked_for_it_for_long() {
        let mut barred = Barred::default();
        assert!(!barred.is_any_refused(at(0)));
        barred.bar(Route::Surveys, "/x", 1, true, at(0));
        assert!([0, 2, 301].iter().all(|now| barred.is_any_refused(at(*now))));
        assert!(!barred.is_any_refused(at(302)));
        barred.lift(Route::Questions, 1, false);
        assert!(barred.is_any_refused(at(3)));
        barred.lift(Route::Surveys, 1, false);
        assert!(!barred.is_any_refused(at(3)));
    }

    #[test]
    fn a_route_that_refuses_what_others_take_causes_ever_fewer_logins() {
        let mut barred = Barred::default();
        let mut logins = Vec::new();
        let mut generation = 1;
        for now in (0..1000).step_by(8) {
            barred.lift(Route::Questions, generation, false);
            let may = barred.login_may_help(Route::Surveys, "/x", generation, at(now));
            if may {
                logins.push(now);
                generation += 1;
            }
            barred.bar(Route::Surveys, "/x", 1, may, at(now));
        }
        assert_eq!(logins, [0, 8, 16, 24, 40, 72, 136, 264, 520, 824]);
    }

    #[test]
    fn while_no_route_takes_a_token_every_try_may_get_a_new_one() {
        let mut barred = Barred::default();
        barred.lift(Route::Questions, 1, false);
        for generation in 2..20 {
            assert!(barred.login_may_help(Route::Surveys, "/x", generation, at(8 * generation)));
            barred.bar(Route::Surveys, "/x", 1, true, at(8 * generation));
        }
    }

    #[test]
    fn one_document_that_is_refused_bars_no_other_and_causes_ever_fewer_logins() {
        let path = "/agents/{id}".parse().unwrap();
        let further = Box::leak(Box::new(Further { index: 0, path, is_gotten: true, query: Vec::new() }));
        let agents = Route::Further(further);
        let mut barred = Barred::default();
        let (mut logins, mut generation) = (Vec::new(), 1);
        for now in 0..1000 {
            barred.lift(agents, generation, false);
            let may = barred.login_may_help(agents, "/x", generation, at(now));
            barred.bar(agents, "/x", generation, may, at(now));
            if may {
                logins.push(now);
                generation += 1;
            }
            assert_eq!(barred.left(agents, at(now)), None);
        }
        assert_eq!(logins, [0, 2, 6, 14, 30, 62, 126, 254, 510, 810]);
        // The token dies: another document is soon helped, and told by it is that the old one had died.
        assert!(!barred.login_may_help(agents, "/other", generation, at(817)));
        assert!(barred.login_may_help(agents, "/other", generation, at(818)));
        assert!(!barred.login_may_help(agents, "/x", generation, at(818)));
        barred.lift(agents, generation, true);
        assert!(barred.login_may_help(agents, "/x", generation, at(818)));
    }
}
