use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;

use crate::{
    clock::Moment,
    telemetry::{Times, Totals, Traffic, totals::CallerTotals},
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
        let callers = now.callers.iter().map(|(name, totals)| (name.clone(), totals.since(before(name)))).collect();
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
    let traffic = later.traffic.since(&earlier.traffic);
    let times =
        |times: &Times| LatencyStats { mean: times.mean(), p50: times.quantile(0.5), p95: times.quantile(0.95) };
    TimeBucket {
        at: later.at,
        seconds: later.moment.since(earlier.moment).as_secs_f64(),
        requests: traffic.requests,
        from_memory: traffic.from_memory,
        fetched: traffic.fetched,
        failed: traffic.failed,
        refused: traffic.refused,
        vendor_calls: traffic.vendor_calls,
        vendor_failed: traffic.vendor_failed,
        saved: traffic.saved,
        caller_times: times(&traffic.caller_times),
        vendor_times: times(&traffic.vendor_times),
    }
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
    fn a_minute_is_counted_from_the_last_sample_before_it_and_a_young_process_from_its_beginning() {
        let (moment, stamp) = at(0);
        let history = TrafficHistory::new(moment, stamp);
        let told = |seconds, requests| {
            let (moment, stamp) = at(seconds);
            let (told, callers) = history.snapshot(moment, stamp, &counted(requests));
            let told = told.last_minute;
            assert_eq!(callers["app"].requests, told.requests, "a minute is the same for all");
            (told.seconds, told.requests)
        };
        assert_eq!(told(0, 0), (0.0, 0));
        assert_eq!(told(5, 7), (5.0, 7));
        for n in 1..=10 {
            let (moment, stamp) = at(n * 10);
            history.push(moment, stamp, &counted(n * 100));
        }
        assert_eq!(told(101, 1011), (61.0, 1011 - 400));
        assert_eq!(told(1000, 1011), (900.0, 11));
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
        let told = history.snapshot(moment, stamp, &counted(40_000)).0.history;
        assert_eq!(told.len(), MAX_SAMPLES - 1);
        assert_eq!((told[0].requests, told[89].requests), (111 * 111 - 110 * 110, 200 * 200 - 199 * 199));
        assert!(told.iter().all(|span| span.seconds == 10.0));
    }
}
