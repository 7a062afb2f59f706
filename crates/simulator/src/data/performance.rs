//! The figures of a queue over a span of time.

use rand::RngExt as _;

use super::queues::Queue;
use crate::json::{Object, array, hundredths};
use crate::rng::rng;
use crate::time;

/// Half an hour, in milliseconds: the length of an interval in a partial answer.
pub(crate) const SLOT: i64 = 1_800_000;

/// Calls answered, abandoned, answered in time and transferred; then the milliseconds that answered callers waited and
/// talked, in total.
type Figures = [i64; 6];

/// What happens in a whole slot, counted from 1970.
fn of_slot(queue: &Queue, slot: i64) -> Figures {
    let mut rng = rng(("performance", queue.seed, slot));
    let hour = slot.rem_euclid(48) / 2;
    // Busiest at midday, quiet at night.
    let answered = rng.random_range(1..=4 + 3 * (12 - (hour - 12).abs()));
    [
        answered,
        rng.random_range(0..=answered / 4),
        answered - rng.random_range(0..=answered / 3),
        rng.random_range(0..=answered / 5),
        answered * rng.random_range(4_000..54_000),
        answered * rng.random_range(60_000..360_000),
    ]
}

/// What happens between two times. A slot's figures grow evenly with time and never shrink.
fn between(queue: &Queue, start: i64, end: i64) -> Figures {
    let mut sum = Figures::default();
    for slot in start.div_euclid(SLOT)..=(end - 1).div_euclid(SLOT) {
        let [from, to] = [start, end].map(|time| (time - slot * SLOT).clamp(0, SLOT));
        for (sum, whole) in sum.iter_mut().zip(of_slot(queue, slot)) {
            *sum += whole * to / SLOT - whole * from / SLOT;
        }
    }
    sum
}

fn metrics([answered, abandoned, in_time, transferred, waited, talked]: Figures, extended: bool) -> String {
    let mut metrics = Object::new()
        .raw("ASA", waited.checked_div(answered).unwrap_or_default())
        .raw("Answer", answered)
        .raw("MetSLA", in_time)
        .raw("OverSLA", (answered - in_time).max(0))
        .raw("Offered", answered + abandoned)
        .raw("Abandon", abandoned)
        .raw("Transfer", transferred)
        .raw("AHT", talked.checked_div(answered).unwrap_or_default())
        .raw("TotalTalk", talked)
        .raw("ServiceLevel", hundredths((in_time * 100).checked_div(answered).unwrap_or(100)))
        .raw("Weight", "1.0");
    if extended {
        metrics = metrics.raw("TotalWait", waited).raw("SLATarget", hundredths(80));
    }
    metrics.close()
}

/// The requested time in milliseconds since 1970, and how to report it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) partial: bool,
    pub(crate) extended: bool,
}

impl Request {
    /// Returns the whole time, or its half hours with the rest. An interval that has not begun is left out.
    fn intervals(self, now: i64) -> impl Iterator<Item = (i64, i64)> {
        let step = if self.partial { SLOT } else { self.end - self.start };
        std::iter::successors(Some(self.start), move |start| Some(start + step))
            .take_while(move |start| *start < self.end.min(now))
            .map(move |start| (start, (start + step).min(self.end)))
    }
}

/// Returns one row of the performance's `result`. The past is final; the figures of the running interval grow.
pub(crate) fn row(queue: &Queue, id: &str, request: Request, now: i64) -> String {
    let data = request.intervals(now).map(|(start, end)| {
        Object::new()
            .text("interval", &format!("{}/{}", time::format(start), time::format(end)))
            .raw("metrics", metrics(between(queue, start, end.min(now)), request.extended))
            .close()
    });
    Object::new().text("queryId", id).raw("data", array(data)).close()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::queues::all;
    use crate::time::instant;

    fn at(text: &str) -> i64 {
        instant(text).unwrap()
    }

    fn request(partial: bool) -> Request {
        let (start, end) = (at("2024-01-28T09:00:00Z"), at("2024-01-28T10:10:00Z"));
        Request { start, end, partial, extended: false }
    }

    fn tell(partial: bool, now: &str) -> serde_json::Value {
        let queues = all(1);
        serde_json::from_str(&row(&queues[0], &queues[0].id, request(partial), at(now))).unwrap()
    }

    #[test]
    fn partial_answer_has_half_hours_and_the_rest() {
        let row = tell(true, "2024-02-01T00:00:00Z");
        let intervals: Vec<_> = row["data"].as_array().unwrap().iter().map(|interval| &interval["interval"]).collect();
        assert_eq!(
            intervals,
            [
                "2024-01-28T09:00:00.000Z/2024-01-28T09:30:00.000Z",
                "2024-01-28T09:30:00.000Z/2024-01-28T10:00:00.000Z",
                "2024-01-28T10:00:00.000Z/2024-01-28T10:10:00.000Z",
            ]
        );
    }

    #[test]
    fn whole_is_the_sum_of_its_intervals() {
        let sum: u64 = tell(true, "2024-02-01T00:00:00Z")["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|interval| interval["metrics"]["Answer"].as_u64().unwrap())
            .sum();
        let whole = tell(false, "2024-02-01T00:00:00Z");
        assert_eq!(whole["data"].as_array().unwrap().len(), 1);
        assert_eq!(whole["data"][0]["interval"], "2024-01-28T09:00:00.000Z/2024-01-28T10:10:00.000Z");
        assert_eq!(whole["data"][0]["metrics"]["Answer"], sum);
    }

    #[test]
    fn past_intervals_are_final_and_the_running_one_grows() {
        let (early, late) = (tell(true, "2024-01-28T09:31:00Z"), tell(true, "2024-01-28T09:59:59Z"));
        assert_eq!(early["data"].as_array().unwrap().len(), 2);
        assert_eq!(early["data"][0], late["data"][0]);
        let talk = |row: &serde_json::Value| row["data"][1]["metrics"]["TotalTalk"].as_u64().unwrap();
        assert!(talk(&early) < talk(&late));
        assert_eq!(tell(true, "2024-01-28T08:00:00Z")["data"], serde_json::json!([]));
    }

    #[test]
    fn calls_in_time_never_exceed_the_answered() {
        for queue in all(2) {
            let [answered, _, in_time, ..] = between(&queue, request(false).start, request(false).end);
            assert!(in_time <= answered);
        }
    }
}
