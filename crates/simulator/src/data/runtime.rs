//! The live figures of a queue: summary and activity. They move in steps of a second.

use rand::RngExt as _;

use super::queues::Queue;
use crate::json::{Object, array, hundredths};
use crate::rng::rng;
use crate::time;

/// Returns a figure that moves evenly between 0 and `top`, with a period of its own of one to six minutes.
fn oscillate(queue: &Queue, figure: &str, top: i64, second: i64) -> i64 {
    let mut rng = rng((figure, queue.seed));
    let half = rng.random_range(30..180);
    let place = (second + rng.random_range(0..half * 2)) % (half * 2);
    (half - (half - place).abs()) * top / half
}

/// Returns one row of the summary's `result`. Its last fields have unusual spellings, which a program that parses and
/// rewrites them as floating-point numbers would change.
pub(crate) fn summary(queue: &Queue, id: &str, now: i64, extended: bool) -> String {
    let second = now / 1000;
    let working = oscillate(queue, "working", queue.members, second);
    let talking = oscillate(queue, "talking", working, second);
    let waiting = oscillate(queue, "waiting", 9, second);
    let longest = if waiting == 0 { 0 } else { 5 + oscillate(queue, "longest", 180, second) };
    let mut row = Object::new()
        .raw("success", true)
        .text("id", id)
        .text("name", &queue.name)
        .raw("memberCount", queue.members)
        .raw("joinedMembers", queue.members - queue.members / 5)
        .raw("onQueue", working)
        .raw("interacting", talking)
        .raw("idle", working - talking)
        .raw("waiting", waiting)
        .raw("longestWaitSeconds", longest)
        .raw("callbacksWaiting", oscillate(queue, "callbacks", 3, second))
        .raw("serviceLevel", hundredths(60 + oscillate(queue, "level", 40, second)))
        .raw("averageWait", hundredths(500 + oscillate(queue, "wait", 9000, second)))
        .raw("alert", "null")
        .raw("weight", "1.0")
        .raw("scale", "1e2")
        .raw("fingerprint", "12345678901234567890")
        .raw("label", r#""Queue \u2013 \/main""#)
        .raw("flags", "[ ]")
        .text("updatedAt", &time::format(now - now.rem_euclid(1000)));
    if extended {
        let division = Object::new().raw("id", 7).text("name", "Home").close();
        row = row.text("description", "Simulated queue").raw("division", division).raw("skills", "[]");
    }
    row.close()
}

/// Returns the summary's row for an id that no queue has.
pub(crate) fn unknown(id: &str) -> String {
    Object::new().raw("success", false).text("id", id).close()
}

/// Returns one row of the activity's `result`.
pub(crate) fn activity(queue: &Queue, id: &str, now: i64, extended: bool) -> String {
    let second = now / 1000;
    let working = oscillate(queue, "working", queue.members, second);
    let talking = oscillate(queue, "talking", working, second);
    let away = queue.members - working;
    let meeting = oscillate(queue, "meeting", away, second);
    let counts = [
        ("IDLE", working - talking),
        ("INTERACTING", talking),
        ("ON_QUEUE", working),
        ("OFF_QUEUE", away),
        ("MEETING", meeting),
        ("BREAK", away - meeting),
        ("COMMUNICATING", oscillate(queue, "communicating", talking, second)),
        ("NOT_RESPONDING", oscillate(queue, "silent", 2, second)),
    ];
    let data = counts.into_iter().map(|(qualifier, count)| {
        let row = Object::new().text("qualifier", qualifier).raw("count", count);
        if extended { row.text("metric", "oUserPresences").close() } else { row.close() }
    });
    Object::new().text("queueId", id).raw("data", array(data)).close()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::queues::all;

    const NOW: i64 = 1_700_000_000_000;

    #[test]
    fn summary_changes_once_per_second() {
        let queues = all(1);
        let say = |now| summary(&queues[0], &queues[0].id, now, false);
        assert_eq!(say(NOW), say(NOW + 999));
        assert_ne!(say(NOW), say(NOW + 1000));
        assert!(say(NOW).starts_with(
            r#"{"success":true,"id":"01756dxx-xxxx-xxxx-xxxx-7c12cf9a0dxx","name":"Sales","memberCount":11,"#
        ));
    }

    #[test]
    fn unusual_spellings_are_in_every_row() {
        for queue in all(3) {
            let row = summary(&queue, &queue.id, NOW, false);
            assert!(row.contains(r#""weight":1.0,"scale":1e2,"fingerprint":12345678901234567890,"#));
            assert!(serde_json::from_str::<serde_json::Value>(&row).is_ok());
        }
    }

    #[test]
    fn figures_of_a_queue_agree() {
        for queue in all(1) {
            let row = activity(&queue, &queue.id, NOW, false);
            let row: serde_json::Value = serde_json::from_str(&row).unwrap();
            let count = |place: usize| row["data"][place]["count"].as_i64().unwrap();
            assert_eq!(row["data"][0]["qualifier"], "IDLE");
            assert_eq!(count(0) + count(1), count(2));
            assert_eq!(count(2) + count(3), queue.members);
        }
    }
}
