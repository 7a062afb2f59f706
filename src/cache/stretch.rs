use std::time::Duration;

/// How many times as long as its `ttl` a part is fresh. Pure.
///
/// It is 1 while at least half of the vendor's budget is left, and grows evenly to the most that is allowed as the rest is
/// spent: fewer calls are then made for the same load, so that the budget settles where it suffices.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Stretch(f64);

impl Stretch {
    /// `ttl` as it is.
    pub const NONE: Self = Self(1.0);

    /// `remaining` of `burst` calls may be made at once now; `most` is `upstream.max_stretch`.
    pub fn new(remaining: u32, burst: u32, most: f64) -> Self {
        let half = f64::from(burst.max(1)) / 2.0;
        let spent = (1.0 - f64::from(remaining) / half).max(0.0);
        Self(1.0 + (most - 1.0).max(0.0) * spent)
    }

    /// How long what has this `ttl` is fresh.
    pub fn of(self, ttl: Duration) -> Duration {
        if self == Self::NONE {
            return ttl;
        }
        Duration::try_from_secs_f64(ttl.as_secs_f64() * self.0).unwrap_or(Duration::MAX)
    }

    /// The greater of the two.
    pub fn at_least(self, other: Self) -> Self {
        if self < other { other } else { self }
    }

    /// How many times.
    pub fn times(self) -> f64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_as_the_second_half_of_the_budget_is_spent() {
        let at = |remaining| Stretch::new(remaining, 30, 3.0).times();
        for (remaining, times) in [(30, 1.0), (15, 1.0), (12, 1.4), (6, 2.2), (0, 3.0)] {
            assert!((at(remaining) - times).abs() < 1e-9, "{remaining}: {}", at(remaining));
        }
        assert_eq!(Stretch::new(0, 30, 1.0), Stretch::NONE);
        assert_eq!(Stretch::new(0, 0, 3.0).of(Duration::from_secs(3)), Duration::from_secs(9));
        assert_eq!(Stretch::new(0, 1, 3.0).of(Duration::MAX), Duration::MAX);
    }
}
