use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    clock::Moment,
    telemetry::{Times, Traffic},
};

/// What was counted, now and then: of the last quarter of an hour.
pub(super) struct History(Mutex<VecDeque<Sample>>);

struct Sample {
    moment: Moment,
    at: Timestamp,
    traffic: Traffic,
}

/// Samples that are held. They come about each ten seconds (`App::tidy` is the clock).
const MOST: usize = 91;
const MINUTE: Duration = Duration::from_secs(60);

/// What went on at the mirrored routes, for operators.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TrafficTold {
    /// Of about the last minute.
    pub(super) last_minute: Span,
    /// Of the last quarter of an hour in spans of about ten seconds, the oldest first.
    history: Vec<Span>,
}

/// What went on for some time.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Span {
    /// When it ended.
    at: Timestamp,
    /// How long it was.
    pub(super) seconds: f64,
    pub(super) requests: u64,
    from_memory: u64,
    fetched: u64,
    pub(super) failed: u64,
    vendor_calls: u64,
    pub(super) vendor_failed: u64,
    saved: u64,
    caller_times: TimesTold,
    vendor_times: TimesTold,
}

/// Seconds; `null` of nothing. All but the mean are read out of a histogram, and so about right.
#[derive(Serialize)]
struct TimesTold {
    mean: Option<f64>,
    p50: Option<f64>,
    p95: Option<f64>,
}

impl History {
    /// A history that begins now, with nothing.
    pub(super) fn begun(moment: Moment, at: Timestamp) -> Self {
        Self(Mutex::new(VecDeque::from([Sample { moment, at, traffic: Traffic::default() }])))
    }

    /// Remembers how far the counts have come.
    pub(super) fn note(&self, moment: Moment, at: Timestamp, traffic: Traffic) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        samples.push_back(Sample { moment, at, traffic });
        while samples.len() > MOST {
            samples.pop_front();
        }
    }

    /// What went on until now, when the counts have come to `traffic`.
    pub(super) fn told(&self, moment: Moment, at: Timestamp, traffic: Traffic) -> TrafficTold {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Sample { moment, at, traffic };
        let full = |sample: &&Sample| now.moment.since(sample.moment) >= MINUTE;
        let begin = samples.iter().rev().find(full).or(samples.front());
        let history = samples.iter().zip(samples.iter().skip(1));
        TrafficTold {
            last_minute: between(begin.unwrap_or(&now), &now),
            history: history.map(|(earlier, later)| between(earlier, later)).collect(),
        }
    }
}

fn between(earlier: &Sample, later: &Sample) -> Span {
    let traffic = later.traffic.since(&earlier.traffic);
    let times = |times: &Times| TimesTold { mean: times.mean(), p50: times.quantile(0.5), p95: times.quantile(0.95) };
    Span {
        at: later.at,
        seconds: later.moment.since(earlier.moment).as_secs_f64(),
        requests: traffic.requests,
        from_memory: traffic.from_memory,
        fetched: traffic.fetched,
        failed: traffic.failed,
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

    fn counted(requests: u64) -> Traffic {
        Traffic { requests, ..Traffic::default() }
    }

    #[test]
    fn a_minute_is_counted_from_the_last_sample_before_it_and_a_young_process_from_its_beginning() {
        let (moment, stamp) = at(0);
        let history = History::begun(moment, stamp);
        let told = |seconds, requests| {
            let (moment, stamp) = at(seconds);
            let told = history.told(moment, stamp, counted(requests)).last_minute;
            (told.seconds, told.requests)
        };
        assert_eq!(told(0, 0), (0.0, 0));
        assert_eq!(told(5, 7), (5.0, 7));
        for n in 1..=10 {
            let (moment, stamp) = at(n * 10);
            history.note(moment, stamp, counted(n * 100));
        }
        assert_eq!(told(101, 1011), (61.0, 1011 - 400));
        assert_eq!(told(1000, 1011), (900.0, 11));
    }

    #[test]
    fn the_history_has_an_end_and_stands_in_the_order_of_time() {
        let (moment, stamp) = at(0);
        let history = History::begun(moment, stamp);
        for n in 1..=200 {
            let (moment, stamp) = at(n * 10);
            history.note(moment, stamp, counted(n * n));
        }
        let (moment, stamp) = at(2005);
        let told = history.told(moment, stamp, counted(40_000)).history;
        assert_eq!(told.len(), MOST - 1);
        assert_eq!((told[0].requests, told[89].requests), (111 * 111 - 110 * 110, 200 * 200 - 199 * 199));
        assert!(told.iter().all(|span| span.seconds == 10.0));
    }
}
