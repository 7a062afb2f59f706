//! The figures of a queue over a stretch of time.

use super::queues::Queue;
use super::{signed, unsigned};
use crate::json::{Object, array, hundredths};
use crate::rng::{below, hash};
use crate::time::{self, DAY};

/// The length of a block, in milliseconds: half an hour.
pub(crate) const BLOCK: i64 = 1_800_000;

/// What happened in some stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Figures {
    answered: u64,
    abandoned: u64,
    in_time: u64,
    transferred: u64,
    /// Milliseconds that answered callers waited, all together.
    waited: u64,
    /// Milliseconds of talk, all together.
    talked: u64,
}

impl Figures {
    /// What happens in a whole half hour, counted from 1970.
    fn of_slot(queue: &Queue, slot: i64) -> Self {
        let chance = |figure| hash(&[queue.seed, 0x9e4f, unsigned(slot), figure]);
        let hour = unsigned(slot.rem_euclid(48) / 2);
        // Busiest at midday, quiet at night.
        let busy = 4 + 3 * (12 - hour.abs_diff(12));
        let answered = 1 + below(chance(1), busy);
        Self {
            answered,
            abandoned: below(chance(2), 1 + answered / 4),
            in_time: answered - below(chance(3), 1 + answered / 3),
            transferred: below(chance(4), 1 + answered / 5),
            waited: answered * (4_000 + below(chance(5), 50_000)),
            talked: answered * (60_000 + below(chance(6), 300_000)),
        }
    }

    /// What of a half hour has happened when so much of it has passed: never less than before.
    fn after(self, passed: i64) -> Self {
        let passed = unsigned(passed.clamp(0, BLOCK));
        self.map(Self::default(), |whole, _| whole * passed / unsigned(BLOCK))
    }

    fn map(self, other: Self, each: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            answered: each(self.answered, other.answered),
            abandoned: each(self.abandoned, other.abandoned),
            in_time: each(self.in_time, other.in_time),
            transferred: each(self.transferred, other.transferred),
            waited: each(self.waited, other.waited),
            talked: each(self.talked, other.talked),
        }
    }

    /// What happened between two times.
    fn between(queue: &Queue, start: i64, end: i64) -> Self {
        let slots = start.div_euclid(BLOCK)..=(end - 1).div_euclid(BLOCK);
        slots.fold(Self::default(), |sum, slot| {
            let whole = Self::of_slot(queue, slot);
            let begin = slot * BLOCK;
            let part = whole.after(end - begin).map(whole.after(start - begin), u64::saturating_sub);
            sum.map(part, |one, two| one + two)
        })
    }

    fn metrics(self, extended: bool) -> String {
        let each = |sum: u64| sum.checked_div(self.answered).unwrap_or_default();
        let level = (self.in_time * 100).checked_div(self.answered).unwrap_or(100);
        let mut metrics = Object::new()
            .raw("ASA", each(self.waited))
            .raw("Answer", self.answered)
            .raw("MetSLA", self.in_time)
            .raw("OverSLA", self.answered.saturating_sub(self.in_time))
            .raw("Offered", self.answered + self.abandoned)
            .raw("Abandon", self.abandoned)
            .raw("Transfer", self.transferred)
            .raw("AHT", each(self.talked))
            .raw("TotalTalk", self.talked)
            .raw("ServiceLevel", hundredths(level))
            .raw("Weight", "1.0");
        if extended {
            metrics = metrics.raw("TotalWait", self.waited).raw("SLATarget", hundredths(80));
        }
        metrics.close()
    }
}

/// The stretches that an answer has for an interval: one, or one for every half hour from its start on. A stretch
/// that has not begun yet is left out.
fn intervals(start: i64, end: i64, partial: bool, now: i64) -> Vec<(i64, i64)> {
    let step = if partial { BLOCK } else { end - start };
    let count = if partial { blocks(start, end) } else { 1 };
    (0..signed(count))
        .map(|number| (start + number * step, (start + (number + 1) * step).min(end)))
        .filter(|(begin, _)| *begin < now)
        .collect()
}

/// How many half hours an interval has, the last perhaps not whole.
pub(crate) fn blocks(start: i64, end: i64) -> u64 {
    unsigned(end - start).div_ceil(unsigned(BLOCK))
}

/// The longest interval that is answered: 31 days.
pub(crate) const LONGEST: i64 = 31 * DAY;

/// What to tell about a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) partial: bool,
    pub(crate) extended: bool,
}

/// One row of the performance's `result`. What has happened is final; the figures of the running stretch grow.
pub(crate) fn row(queue: &Queue, id: &str, request: Request, now: i64) -> String {
    let data = intervals(request.start, request.end, request.partial, now).into_iter().map(|(start, end)| {
        let figures = Figures::between(queue, start, end.min(now));
        Object::new()
            .text("interval", &format!("{}/{}", time::format(start), time::format(end)))
            .raw("metrics", figures.metrics(request.extended))
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
    fn partial_gives_half_hours_and_the_rest() {
        let row = tell(true, "2024-02-01T00:00:00Z");
        let intervals: Vec<_> = row["data"].as_array().unwrap().iter().map(|block| &block["interval"]).collect();
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
    fn the_whole_is_the_sum_of_its_blocks() {
        let sum: u64 = tell(true, "2024-02-01T00:00:00Z")["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|block| block["metrics"]["Answer"].as_u64().unwrap())
            .sum();
        let whole = tell(false, "2024-02-01T00:00:00Z");
        assert_eq!(whole["data"].as_array().unwrap().len(), 1);
        assert_eq!(whole["data"][0]["interval"], "2024-01-28T09:00:00.000Z/2024-01-28T10:10:00.000Z");
        assert_eq!(whole["data"][0]["metrics"]["Answer"], sum);
    }

    #[test]
    fn past_blocks_are_final_and_the_running_one_grows() {
        let (early, late) = (tell(true, "2024-01-28T09:31:00Z"), tell(true, "2024-01-28T09:59:59Z"));
        assert_eq!(early["data"].as_array().unwrap().len(), 2);
        assert_eq!(early["data"][0], late["data"][0]);
        let talk = |row: &serde_json::Value| row["data"][1]["metrics"]["TotalTalk"].as_u64().unwrap();
        assert!(talk(&early) < talk(&late));
        assert_eq!(tell(true, "2024-01-28T08:00:00Z")["data"], serde_json::json!([]));
    }

    #[test]
    fn met_and_over_make_up_the_answered() {
        for queue in all(2) {
            let figures = Figures::between(&queue, request(false).start, request(false).end);
            assert!(figures.in_time <= figures.answered);
        }
    }
}
