//! What went on at the mirrored routes, as sums that can be taken from one another: the figures of a minute are what was
//! counted at its end, less what was counted at its beginning. Pure.

use std::collections::BTreeMap;

/// Sums since the process began, or over some time. Health checks and unknown paths are not in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traffic {
    /// Requests.
    pub requests: u64,
    /// Those that were answered with what was held, fresh or stale.
    pub from_memory: u64,
    /// Those that the vendor was asked for, wholly or in part.
    pub fetched: u64,
    /// Those that were answered with a failure that is not the caller's (5xx).
    pub failed: u64,
    /// Those that were refused for what the caller sent (4xx).
    pub refused: u64,
    /// Requests sent to the vendor.
    pub vendor_calls: u64,
    /// Those that it did not answer as it should.
    pub vendor_failed: u64,
    /// Answers given without a vendor call of their own.
    pub saved: u64,
    /// How long callers waited for what was held or fetched: a refusal takes no time, and tells nothing of the rest.
    pub caller_times: Times,
    /// How long the vendor took.
    pub vendor_times: Times,
}

/// Lengths of time, as a histogram holds them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Times {
    /// How many were at most so long, by the bound's bits: positive numbers are in the order of their bits.
    buckets: BTreeMap<u64, u64>,
    /// Seconds, all together.
    sum: f64,
    count: u64,
}

impl Traffic {
    /// What came after `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            from_memory: self.from_memory.saturating_sub(earlier.from_memory),
            fetched: self.fetched.saturating_sub(earlier.fetched),
            failed: self.failed.saturating_sub(earlier.failed),
            refused: self.refused.saturating_sub(earlier.refused),
            vendor_calls: self.vendor_calls.saturating_sub(earlier.vendor_calls),
            vendor_failed: self.vendor_failed.saturating_sub(earlier.vendor_failed),
            saved: self.saved.saturating_sub(earlier.saved),
            caller_times: self.caller_times.since(&earlier.caller_times),
            vendor_times: self.vendor_times.since(&earlier.vendor_times),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "for human eyes")]
impl Times {
    /// Adds what one line of a histogram's text says: `so_many` were at most `bound` seconds long.
    pub(super) fn add_bucket(&mut self, bound: f64, so_many: u64) {
        *self.buckets.entry(bound.to_bits()).or_default() += so_many;
    }

    pub(super) fn add_sum(&mut self, seconds: f64) {
        self.sum += seconds;
    }

    pub(super) fn add_count(&mut self, so_many: u64) {
        self.count += so_many;
    }

    fn since(&self, earlier: &Self) -> Self {
        let left = |(bound, so_many): (&u64, &u64)| {
            (*bound, so_many.saturating_sub(earlier.buckets.get(bound).copied().unwrap_or_default()))
        };
        Self {
            buckets: self.buckets.iter().map(left).collect(),
            sum: (self.sum - earlier.sum).max(0.0),
            count: self.count.saturating_sub(earlier.count),
        }
    }

    /// Seconds on average; `None` of nothing.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// The seconds that the share `q` of them did not exceed, about: between the bounds of a bucket, which grow by a
    /// factor, its share is taken to grow evenly with their logarithm. `None` of nothing.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let rank = q * self.count as f64;
        let (mut below, mut low) = (0_u64, 0.0_f64);
        for (bits, so_many) in &self.buckets {
            let high = f64::from_bits(*bits);
            if *so_many > 0 && *so_many as f64 >= rank {
                return Some(match (low > 0.0, high.is_finite()) {
                    // All that is known of the longest is that they are longer than the last bound.
                    (_, false) => low,
                    (false, true) => high,
                    (true, true) => {
                        let share = (rank - below as f64) / (*so_many - below).max(1) as f64;
                        low * (high / low).powf(share.clamp(0.0, 1.0))
                    }
                });
            }
            (below, low) = (*so_many, high);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(buckets: &[(f64, u64)], sum: f64) -> Times {
        let mut times = Times::default();
        buckets.iter().for_each(|(bound, so_many)| times.add_bucket(*bound, *so_many));
        times.add_sum(sum);
        times.add_count(buckets.last().map_or(0, |(_, so_many)| *so_many));
        times
    }

    #[test]
    fn a_quantile_lies_in_the_bucket_that_holds_it() {
        let told = times(&[(0.01, 0), (0.04, 10), (0.16, 20), (f64::INFINITY, 20)], 1.2);
        assert_eq!(told.mean(), Some(0.06));
        let about = |q: f64, seconds: f64| (told.quantile(q).unwrap() - seconds).abs() < 1e-9;
        assert!(about(0.25, 0.02) && about(0.5, 0.04) && about(0.75, 0.08) && about(1.0, 0.16));
    }

    #[test]
    fn what_is_beyond_the_last_bound_is_told_as_that_and_nothing_as_nothing() {
        assert_eq!(times(&[(0.1, 0), (f64::INFINITY, 3)], 30.0).quantile(0.5), Some(0.1));
        assert_eq!(times(&[(0.1, 3), (f64::INFINITY, 3)], 0.1).quantile(0.5), Some(0.1));
        let nothing = times(&[(0.1, 0), (f64::INFINITY, 0)], 0.0);
        assert_eq!((nothing.quantile(0.5), nothing.mean()), (None, None));
        assert_eq!(Times::default().quantile(0.5), None);
    }

    #[test]
    fn a_minute_is_its_end_less_its_beginning() {
        let at = |requests, bucket, sum| Traffic {
            requests,
            vendor_times: times(&[(1.0, bucket), (2.0, requests)], sum),
            ..Traffic::default()
        };
        let minute = at(10, 2, 9.0).since(&at(6, 2, 3.0));
        assert_eq!((minute.requests, minute.vendor_times.mean()), (4, Some(1.5)));
        assert!(minute.vendor_times.quantile(0.1).unwrap() > 1.0);
        assert_eq!(at(6, 2, 3.0).since(&Traffic::default()), at(6, 2, 3.0));
    }
}
