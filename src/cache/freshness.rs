use std::time::Duration;

use super::Stretch;
use crate::clock::Moment;

/// How long a part may be served, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Fresh for this long from the moment its call began; zero means that it is not kept.
    pub ttl: Duration,
    /// After that, served at once for this long while one refresh runs.
    pub stale_while_revalidate: Duration,
    /// After it ceased to be fresh, served for this long if the vendor fails.
    pub stale_if_error: Duration,
    /// Whether `ttl` stretches when the vendor's budget runs low. The stale windows stay where they are.
    pub stretches: bool,
}

impl Policy {
    /// For what is not kept.
    pub const NEVER: Self = Self {
        ttl: Duration::ZERO,
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::ZERO,
        stretches: false,
    };

    /// How long after its call began a part is fresh.
    pub fn fresh_for(&self, stretch: Stretch) -> Duration {
        if self.stretches { stretch.of(self.ttl) } else { self.ttl }
    }
}

/// What a held part may be used for now. The ends are exclusive: at exactly `ttl` a part is stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Serve it.
    Fresh {
        /// How long it stays fresh.
        left: Duration,
        /// Whether it is older than `ttl`, which is stretched.
        stretched: bool,
    },
    /// Serve it, and see that one refresh runs.
    StaleWhileRevalidate {
        /// How long ago it ceased to be fresh.
        past: Duration,
    },
    /// Fetch first; serve it only if that fails and the failure is the vendor's.
    StaleIfError {
        /// How long ago it ceased to be fresh.
        past: Duration,
    },
    /// It is as if it were not there.
    Gone,
}

/// Judges a part whose call began at `began`. One that was `purged` ceased to be fresh then at the latest, and its stale
/// windows began.
pub fn freshness(began: Moment, purged: Option<Moment>, now: Moment, policy: &Policy, stretch: Stretch) -> Freshness {
    if policy.ttl.is_zero() {
        return Freshness::Gone;
    }
    let age = now.since(began);
    let until_purged = purged.map_or(Duration::MAX, |purged| purged.since(began));
    let fresh_for = policy.fresh_for(stretch).min(until_purged);
    if age < fresh_for {
        return Freshness::Fresh { left: fresh_for - age, stretched: age >= policy.ttl };
    }
    let past = age - policy.ttl.min(until_purged);
    if past < policy.stale_while_revalidate {
        Freshness::StaleWhileRevalidate { past }
    } else if past < policy.stale_if_error {
        Freshness::StaleIfError { past }
    } else {
        Freshness::Gone
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn policy(ttl: u64, revalidate: u64, error: u64) -> Policy {
        let [ttl, stale_while_revalidate, stale_if_error] = [ttl, revalidate, error].map(secs);
        Policy { ttl, stale_while_revalidate, stale_if_error, stretches: true }
    }

    /// How long after its call began a part may be of any use.
    fn life(policy: &Policy, stretch: Stretch) -> Duration {
        if policy.ttl.is_zero() {
            return Duration::ZERO;
        }
        let stale = policy.ttl + policy.stale_while_revalidate.max(policy.stale_if_error);
        stale.max(policy.fresh_for(stretch))
    }

    fn stretched(age: u64, policy: &Policy, stretch: Stretch) -> Freshness {
        let began = Moment::default().after(secs(1000));
        freshness(began, None, began.after(secs(age)), policy, stretch)
    }

    fn at(age: u64, ttl: u64, revalidate: u64, error: u64) -> Freshness {
        stretched(age, &policy(ttl, revalidate, error), Stretch::NONE)
    }

    #[test]
    fn each_window_begins_and_ends_where_it_says() {
        use Freshness::{Fresh, Gone, StaleIfError, StaleWhileRevalidate};
        assert_eq!(at(0, 10, 5, 20), Fresh { left: secs(10), stretched: false });
        assert_eq!(at(9, 10, 5, 20), Fresh { left: secs(1), stretched: false });
        assert_eq!(at(10, 10, 5, 20), StaleWhileRevalidate { past: secs(0) });
        assert_eq!(at(14, 10, 5, 20), StaleWhileRevalidate { past: secs(4) });
        assert_eq!(at(15, 10, 5, 20), StaleIfError { past: secs(5) });
        assert_eq!(at(29, 10, 5, 20), StaleIfError { past: secs(19) });
        assert_eq!(at(30, 10, 5, 20), Gone);
        assert_eq!(at(10, 10, 0, 0), Gone);
        assert_eq!(at(12, 10, 5, 0), StaleWhileRevalidate { past: secs(2) });
    }

    #[test]
    fn a_stretched_ttl_reaches_into_the_stale_windows_and_moves_no_end() {
        use Freshness::{Fresh, Gone, StaleIfError, StaleWhileRevalidate};
        let twice = Stretch::new(0, 2, 2.0);
        let policy = policy(10, 15, 30);
        assert_eq!(stretched(9, &policy, twice), Fresh { left: secs(11), stretched: false });
        assert_eq!(stretched(10, &policy, twice), Fresh { left: secs(10), stretched: true });
        assert_eq!(stretched(20, &policy, twice), StaleWhileRevalidate { past: secs(10) });
        assert_eq!(stretched(25, &policy, twice), StaleIfError { past: secs(15) });
        assert_eq!(stretched(40, &policy, twice), Gone);
        let fixed = Policy { stretches: false, ..policy };
        assert_eq!(stretched(10, &fixed, twice), StaleWhileRevalidate { past: secs(0) });
    }

    #[test]
    fn what_was_purged_is_stale_at_once_and_its_windows_begin_then() {
        use Freshness::{Fresh, Gone, StaleIfError, StaleWhileRevalidate};
        let began = Moment::default().after(secs(1000));
        let at = |purged, age, stretch| {
            freshness(began, Some(began.after(secs(purged))), began.after(secs(age)), &policy(10, 5, 20), stretch)
        };
        let none = Stretch::NONE;
        assert_eq!(at(0, 0, none), StaleWhileRevalidate { past: secs(0) });
        assert_eq!(at(4, 4, none), StaleWhileRevalidate { past: secs(0) });
        assert_eq!(at(4, 9, none), StaleIfError { past: secs(5) });
        assert_eq!(at(4, 24, none), Gone);
        assert_eq!(at(12, 12, Stretch::new(0, 2, 3.0)), StaleWhileRevalidate { past: secs(2) });
        // Too late to change anything.
        assert_eq!(at(15, 12, none), StaleWhileRevalidate { past: secs(2) });
        assert_eq!(at(15, 9, none), Fresh { left: secs(1), stretched: false });
    }

    #[test]
    fn a_ttl_of_zero_keeps_nothing() {
        assert_eq!(at(0, 0, 5, 20), Freshness::Gone);
    }

    proptest! {
        #[test]
        fn a_part_never_grows_younger_and_is_gone_at_its_end(
            ttl in 0u64..50, revalidate in 0u64..50, error in 0u64..50, age in 0u64..200
        ) {
            let rank = |f| match f {
                Freshness::Fresh { .. } => 0,
                Freshness::StaleWhileRevalidate { .. } => 1,
                Freshness::StaleIfError { .. } => 2,
                Freshness::Gone => 3,
            };
            prop_assert!(rank(at(age, ttl, revalidate, error)) <= rank(at(age + 1, ttl, revalidate, error)));
            for stretch in [Stretch::NONE, Stretch::new(0, 2, 3.0)] {
                let policy = policy(ttl, revalidate, error);
                let gone = stretched(age, &policy, stretch) == Freshness::Gone;
                prop_assert_eq!(gone, secs(age) >= life(&policy, stretch));
            }
        }
    }
}
