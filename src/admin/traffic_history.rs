use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;

use crate::{
    clock::Moment,
    telemetry::{CallerTotals, Latencies, Totals, Traffic},
};

/// What was counted, now and then: of the last quarter of an hour.
pub(super) struct TrafficHistory(Mutex<VecDeque<Sample>>);

struct Sample {
    moment: Moment,
    at: Timestamp,
    traffic: Traffic,
    /// Only of those that a minute can begin with.
    callers: BTreeMap<String, CallerTotals>,
}

/// Samples that are held. They come about each ten seconds (the task `tidy` is the clock).
const MAX_SAMPLES: usize = 91;
const MINUTE: Duration = Duration::from_secs(60);

/// What went on at the mirrored routes, for operators.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TrafficSnapshot {
    /// Of about the last minute.
    pub(super) last_minute: TimeBucket,
    /// Of the last quarter of an hour in spans of about ten seconds, the oldest first.
    history: Vec<TimeBucket>,
}

/// What went on for some time.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TimeBucket {
    /// When it ended.
    at: Timestamp,
    /// How long it was.
    pub(super) seconds: f64,
    pub(super) requests: u64,
    from_memory: u64,
    fetched: u64,
    pub(super) failed: u64,
    pub(super) refused: u64,
    vendor_calls: u64,
    pub(super) vendor_failed: u64,
    saved: u64,
    caller_times: LatencyStats,
    vendor_times: LatencyStats,
}

/// Seconds; `null` of nothing. All but the mean are read out of a histogram, and so about right.
#[derive(Serialize)]
struct LatencyStats {
    mean: Option<f64>,
    p50: Option<f64>,
    p95: Option<f64>,
}

impl TrafficHistory {
    /// A history that begins now, with nothing.
    pub(super) fn new(moment: Moment, at: Timestamp) -> Self {
        Self(Mutex::new(VecDeque::from([Sample::of(moment, at, &Totals::default())])))
    }

    /// Remembers how far the counts have come.
    pub(super) fn push(&self, moment: Moment, at: Timestamp, totals: &Totals) {
        let mut samples = self.0.lock();
        samples.push_back(Sample::of(moment, at, totals));
        while samples.len() > MAX_SAMPLES {
            samples.pop_front();
        }
        let begin = minute(&samples, moment);
        samples.iter_mut().take(begin).for_each(|sample| sample.callers = BTreeMap::new());
    }

    /// What went on until now, when the counts have come to `totals`; and what each caller did in the last minute.
    pub(super) fn snapshot(
        &self,
        moment: Moment,
        at: Timestamp,
        totals: &Totals,
    ) -> (TrafficSnapshot, BTreeMap<String, CallerTotals>) {
        let samples = self.0.lock();
        let now = Sample::of(moment, at, totals);
        let begin = samples.get(minute(&samples, moment)).unwrap_or(&now);
        let history = samples.iter().zip(samples.iter().skip(1));
        let traffic = TrafficSnapshot {
            last_minute: between(begin, &now),
            history: history.map(|(earlier, later)| between(earlier, later)).collect(),
        };
        let before = |name: &String| begin.callers.get(name).copied().unwrap_or_default();
        let callers =
            now.callers.iter().map(|(name, totals)| (name.clone(), caller_delta(*totals, before(name)))).collect();
        (traffic, callers)
    }
}

impl Sample {
    fn of(moment: Moment, at: Timestamp, totals: &Totals) -> Self {
        Self { moment, at, traffic: totals.traffic.clone(), callers: totals.callers.clone() }
    }
}

/// The place of the sample with which the minute that ends at `now` begins: the last one that is a minute old, or the first.
fn minute(samples: &VecDeque<Sample>, now: Moment) -> usize {
    samples.iter().rposition(|sample| now.since(sample.moment) >= MINUTE).unwrap_or_default()
}

fn between(earlier: &Sample, later: &Sample) -> TimeBucket {
    let (now, before) = (&later.traffic, &earlier.traffic);
    let counted = |count: fn(&Traffic) -> u64| count(now).saturating_sub(count(before));
    let times = |times: fn(&Traffic) -> &Latencies| LatencyStats::of(&latencies_delta(times(now), times(before)));
    TimeBucket {
        at: later.at,
        seconds: later.moment.since(earlier.moment).as_secs_f64(),
        requests: counted(|of| of.requests),
        from_memory: counted(|of| of.from_memory),
        fetched: counted(|of| of.fetched),
        failed: counted(|of| of.failed),
        refused: counted(|of| of.refused),
        vendor_calls: counted(|of| of.vendor_calls),
        vendor_failed: counted(|of| of.vendor_failed),
        saved: counted(|of| of.saved),
        caller_times: times(|of| &of.caller_times),
        vendor_times: times(|of| &of.vendor_times),
    }
}

fn caller_delta(now: CallerTotals, before: CallerTotals) -> CallerTotals {
    CallerTotals {
        requests: now.requests.saturating_sub(before.requests),
        rate_limited: now.rate_limited.saturating_sub(before.rate_limited),
    }
}

/// Without buckets, `before` is a histogram that has counted nothing.
fn latencies_delta(now: &Latencies, before: &Latencies) -> Latencies {
    let counted_before = before.buckets.iter().map(|(_, count)| *count).chain(std::iter::repeat(0));
    let left = |((bound, count), before): (&(f64, u64), u64)| (*bound, count.saturating_sub(before));
    Latencies {
        buckets: now.buckets.iter().zip(counted_before).map(left).collect(),
        sum: (now.sum - before.sum).max(0.0),
        count: now.count.saturating_sub(before.count),
    }
}

impl LatencyStats {
    fn of(times: &Latencies) -> Self {
        Self { mean: mean(times), p50: quantile(times, 0.5), p95: quantile(times, 0.95) }
    }
}

#[expect(clippy::cast_precision_loss, reason = "displayed only")]
fn mean(times: &Latencies) -> Option<f64> {
    (times.count > 0).then(|| times.sum / times.count as f64)
}

/// Estimates the quantile `q` in seconds. The bounds grow by a factor, so the estimate interpolates within a bucket
/// by their logarithm. In the last bucket it is the greatest finite bound.
#[expect(clippy::cast_precision_loss, reason = "displayed only")]
fn quantile(times: &Latencies, q: f64) -> Option<f64> {
    let rank = q * times.count as f64;
    let (mut below, mut low) = (0_u64, 0.0_f64);
    for (high, count) in times.buckets.iter().copied() {
        let up_to = below + count;
        if up_to > 0 && up_to as f64 >= rank {
            return Some(match (low > 0.0, high.is_finite()) {
                (_, false) => low,
                (false, true) => high,
                (true, true) => {
                    let share = (rank - below as f64) / count.max(1) as f64;
                    low * (high / low).powf(share.clamp(0.0, 1.0))
                }
            });
        }
        (below, low) = (up_to, high);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> (Moment, Timestamp) {
        let moment = Moment::default().after(Duration::from_secs(seconds));
        (moment, Timestamp::from_second(i64::try_from(seconds).unwrap()).unwrap())
    }

    fn counted(requests: u64) -> Totals {
        let traffic = Traffic { requests, ..Traffic::default() };
        let of_app = CallerTotals { requests, rate_limited: requests / 10 };
        Totals { traffic, callers: BTreeMap::from([("app".to_owned(), of_app)]), ..Totals::default() }
    }

    #[test]
    fn minute_begins_at_last_sample_before_it_or_at_start() {
        let (moment, stamp) = at(0);
        let history = TrafficHistory::new(moment, stamp);
        let last_minute = |seconds, requests| {
            let (moment, stamp) = at(seconds);
            let (snapshot, callers) = history.snapshot(moment, stamp, &counted(requests));
            let minute = snapshot.last_minute;
            assert_eq!(callers["app"].requests, minute.requests, "a minute is the same for all");
            (minute.seconds, minute.requests)
        };
        assert_eq!(last_minute(0, 0), (0.0, 0));
        assert_eq!(last_minute(5, 7), (5.0, 7));
        for n in 1..=10 {
            let (moment, stamp) = at(n * 10);
            history.push(moment, stamp, &counted(n * 100));
        }
        assert_eq!(last_minute(101, 1011), (61.0, 1011 - 400));
        assert_eq!(last_minute(1000, 1011), (900.0, 11));
        let (moment, stamp) = at(101);
        let app = history.snapshot(moment, stamp, &counted(1011)).1["app"];
        assert_eq!(app, CallerTotals { requests: 611, rate_limited: 61 });
        let held = |sample: &Sample| !sample.callers.is_empty();
        let held: Vec<_> = history.0.lock().iter().map(held).collect();
        assert_eq!(held.iter().filter(|held| **held).count(), 7, "no more than a minute may need");
    }

    #[test]
    fn the_history_has_an_end_and_stands_in_the_order_of_time() {
        let (moment, stamp) = at(0);
        let history = TrafficHistory::new(moment, stamp);
        for n in 1..=200 {
            let (moment, stamp) = at(n * 10);
            history.push(moment, stamp, &counted(n * n));
        }
        let (moment, stamp) = at(2005);
        let buckets = history.snapshot(moment, stamp, &counted(40_000)).0.history;
        assert_eq!(buckets.len(), MAX_SAMPLES - 1);
        assert_eq!((buckets[0].requests, buckets[89].requests), (111 * 111 - 110 * 110, 200 * 200 - 199 * 199));
        assert!(buckets.iter().all(|span| span.seconds == 10.0));
    }

    fn times(buckets: &[(f64, u64)], sum: f64) -> Latencies {
        Latencies { buckets: buckets.to_vec(), sum, count: buckets.iter().map(|(_, count)| count).sum() }
    }

    #[test]
    fn quantile_interpolates_within_its_bucket() {
        let latency = times(&[(0.01, 0), (0.04, 10), (0.16, 10), (f64::INFINITY, 0)], 1.2);
        assert_eq!(mean(&latency), Some(0.06));
        let about = |q: f64, seconds: f64| (quantile(&latency, q).unwrap() - seconds).abs() < 1e-9;
        assert!(about(0.25, 0.02) && about(0.5, 0.04) && about(0.75, 0.08) && about(1.0, 0.16));
    }

    #[test]
    fn quantile_beyond_last_bound_is_that_bound() {
        assert_eq!(quantile(&times(&[(0.1, 0), (f64::INFINITY, 3)], 30.0), 0.5), Some(0.1));
        assert_eq!(quantile(&times(&[(0.1, 3), (f64::INFINITY, 0)], 0.1), 0.5), Some(0.1));
        let nothing = times(&[(0.1, 0), (f64::INFINITY, 0)], 0.0);
        assert_eq!((quantile(&nothing, 0.5), mean(&nothing)), (None, None));
        assert_eq!(quantile(&Latencies::default(), 0.5), None);
    }

    #[test]
    fn time_bucket_is_the_difference_of_two_samples() {
        let sample = |requests, buckets: &[(f64, u64)], sum| {
            let traffic = Traffic { requests, vendor_times: times(buckets, sum), ..Traffic::default() };
            let (moment, at) = at(0);
            Sample::of(moment, at, &Totals { traffic, ..Totals::default() })
        };
        let earlier = sample(6, &[(1.0, 2), (2.0, 4)], 3.0);
        let later = sample(10, &[(1.0, 2), (2.0, 8)], 9.0);
        let minute = between(&earlier, &later);
        assert_eq!((minute.requests, minute.vendor_times.mean), (4, Some(1.5)));
        assert!(minute.vendor_times.p50.unwrap() > 1.0);
        let (moment, at) = at(0);
        let whole = between(&Sample::of(moment, at, &Totals::default()), &earlier);
        assert_eq!((whole.requests, whole.vendor_times.mean), (6, Some(0.5)));
    }
}
