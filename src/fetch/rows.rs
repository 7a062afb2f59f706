//! A queue answer, taken apart into one row a queue and put together again. Pure.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::value::RawValue;

use crate::model::{QueueId, Route, members_named, only_member, splice};

/// The vendor's envelope around the rows, byte for byte.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    before: Bytes,
    after: Bytes,
}

/// One queue's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Byte for byte. A copy, so that a kept row does not keep the whole answer.
    pub(super) body: Bytes,
    /// False where the vendor wrote `"success": false` into the row itself.
    pub(super) succeeded: bool,
}

/// An answer in parts. An id that was asked for, has no row and is in no doubt is absent.
pub(super) struct TakenApart {
    pub(super) frame: Arc<Frame>,
    pub(super) rows: HashMap<QueueId, Row>,
    /// Those that were asked for and have two rows that differ.
    pub(super) doubtful: HashSet<QueueId>,
    /// There are rows, and none is of a queue that was asked for: it is the answer to another question.
    pub(super) is_anothers: bool,
}

/// The member that names the queue in a row (reference; `queryId` is sic).
fn id_member(route: Route) -> Option<&'static str> {
    match route {
        Route::QueueSummary => Some("id"),
        Route::QueueActivity => Some("queueId"),
        Route::QueuePerformance => Some("queryId"),
        _ => None,
    }
}

/// What the rows of an answer say of one id.
#[derive(Clone, Copy)]
enum Said<'a> {
    One(&'a RawValue),
    /// Two spellings of one id: neither is meant by a third.
    OfOthers,
    /// Two rows that differ.
    Doubtful,
}

/// Takes the answer to a call for `asked` apart. `None` if every row is in doubt: one that names no queue could be
/// anybody's. Two rows for one queue that differ leave the others as clear as they are.
///
/// A row is matched exactly first, else without regard to ASCII case. Rows for queues that nobody asked for are left
/// out; a row that stands twice, to the letter, is one.
pub(super) fn take_apart(route: Route, body: &Bytes, asked: &[QueueId]) -> Option<TakenApart> {
    let text = std::str::from_utf8(body).ok()?;
    let spliced = splice(text, "data", "result")?;
    let member = id_member(route)?;
    let mut exact: HashMap<String, Said<'_>> = HashMap::with_capacity(spliced.rows.len());
    for row in &spliced.rows {
        let id: String = serde_json::from_str(only_member(row, member)?.get()).ok()?;
        let said = exact.entry(id).or_insert(Said::One(row));
        if !matches!(said, Said::One(other) if other.get() == row.get()) {
            *said = Said::Doubtful;
        }
    }
    let mut folded: HashMap<String, Said<'_>> = HashMap::with_capacity(exact.len());
    for (id, said) in &exact {
        let both = |other: &mut Said<'_>| {
            let doubtful = matches!(said, Said::Doubtful) || matches!(other, Said::Doubtful);
            *other = if doubtful { Said::Doubtful } else { Said::OfOthers };
        };
        folded.entry(id.to_ascii_lowercase()).and_modify(both).or_insert(*said);
    }
    let mut rows = HashMap::with_capacity(asked.len());
    let mut doubtful = HashSet::new();
    for id in asked {
        match exact.get(id.as_str()).or_else(|| folded.get(&id.as_str().to_ascii_lowercase())) {
            Some(Said::One(row)) => {
                let body = Bytes::copy_from_slice(row.get().as_bytes());
                rows.insert(id.clone(), Row { body, succeeded: succeeded(row) });
            }
            Some(Said::Doubtful) => drop(doubtful.insert(id.clone())),
            Some(Said::OfOthers) | None => {}
        }
    }
    let is_anothers = rows.is_empty() && doubtful.is_empty() && !spliced.rows.is_empty();
    let part = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    Some(TakenApart {
        frame: Arc::new(Frame { before: part(spliced.before), after: part(spliced.after) }),
        rows,
        doubtful,
        is_anothers,
    })
}

/// Whether no row of an answer says of itself that it failed.
pub(super) fn no_row_failed(body: &Bytes) -> bool {
    let text = std::str::from_utf8(body).unwrap_or_default();
    splice(text, "data", "result").is_none_or(|spliced| spliced.rows.iter().all(|row| succeeded(row)))
}

fn succeeded(row: &RawValue) -> bool {
    members_named(row, "success").all(|success| success.get() != "false")
}

/// Puts rows into the vendor's envelope.
pub(super) fn put_together<'a>(frame: &Frame, rows: impl Iterator<Item = &'a Bytes> + Clone) -> Bytes {
    let length: usize = rows.clone().map(|row| row.len() + 1).sum();
    let mut body = BytesMut::with_capacity(frame.before.len() + length + frame.after.len());
    body.put_slice(&frame.before);
    for (i, row) in rows.enumerate() {
        if i > 0 {
            body.put_u8(b',');
        }
        body.put_slice(row);
    }
    body.put_slice(&frame.after);
    body.freeze()
}

impl Frame {
    /// Bytes that it takes in memory.
    pub(super) fn weight(&self) -> usize {
        self.before.len() + self.after.len() + 64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ids(all: &[&str]) -> Vec<QueueId> {
        all.iter().map(|id| QueueId::try_from((*id).to_owned()).unwrap()).collect()
    }

    fn answer(rows: &str) -> Bytes {
        Bytes::from(format!(r#"{{"data": {{"success":true,"result":[{rows}],"x":1.0}},"success":true}}"#))
    }

    /// What who asks for `wanted` gets from an answer with `rows` to a call for `asked`.
    fn served(rows: &str, asked: &[&str], wanted: &[&str]) -> Option<String> {
        let TakenApart { frame, rows, .. } = take_apart(Route::QueueActivity, &answer(rows), &ids(asked))?;
        let wanted = ids(wanted);
        let rows = wanted.iter().filter_map(|id| rows.get(id)).map(|row| &row.body);
        Some(String::from_utf8(put_together(&frame, rows).to_vec()).unwrap())
    }

    const A: &str = r#"{"queueId":"a","n":1e2}"#;
    const B: &str = r#"{ "n": 1.0, "queueId": "b" }"#;

    #[test]
    fn rows_come_in_the_order_asked_inside_the_vendors_envelope() {
        let both = format!("{A} , {B}");
        let whole = |rows: &str| Some(String::from_utf8(answer(rows).to_vec()).unwrap());
        assert_eq!(served(&both, &["a", "b"], &["a", "b"]), whole(&format!("{A},{B}")));
        assert_eq!(served(&both, &["a", "b"], &["b", "a"]), whole(&format!("{B},{A}")));
        assert_eq!(served(&both, &["a", "b"], &["b"]), whole(B));
        assert_eq!(served(&both, &["a", "b"], &["c"]), whole(""));
    }

    #[test]
    fn an_id_is_matched_exactly_first_and_else_without_regard_to_case() {
        let upper = A.replace("\"a\"", "\"A\"");
        assert!(served(&upper, &["a"], &["a"]).unwrap().contains(&upper));
        let both = format!("{upper},{A}");
        assert!(served(&both, &["a"], &["a"]).unwrap().contains(A));
        assert!(!served(&both, &["a"], &["a"]).unwrap().contains(&upper));
        assert!(served(&both, &["a", "A"], &["A"]).unwrap().contains(&upper));
    }

    #[test]
    fn a_row_that_stands_twice_to_the_letter_is_one() {
        assert_eq!(served(&format!("{A},{A}"), &["a"], &["a"]), served(A, &["a"], &["a"]));
    }

    #[test]
    fn two_rows_that_differ_are_a_doubt_of_their_queue_alone() {
        let other = A.replace("1e2", "2");
        let taken = |rows: &str, asked: &[&str]| {
            let taken = take_apart(Route::QueueActivity, &answer(rows), &ids(asked)).unwrap();
            assert!(!taken.is_anothers, "{rows}");
            let named = |id: &&&str| taken.rows.contains_key(&ids(&[**id])[0]);
            let clear: Vec<String> = asked.iter().filter(named).map(|id| (*id).to_owned()).collect();
            let mut doubtful: Vec<String> = taken.doubtful.iter().map(|id| id.as_str().to_owned()).collect();
            doubtful.sort();
            (clear, doubtful)
        };
        let told = |clear: &[&str], doubtful: &[&str]| {
            let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
            (owned(clear), owned(doubtful))
        };
        for rows in [format!("{A},{B},{other}"), format!("{A},{other},{B}"), format!("{A},{other},{A},{B}")] {
            assert_eq!(taken(&rows, &["a", "b", "c"]), told(&["b"], &["a"]), "{rows}");
        }
        assert_eq!(taken(&format!("{A},{other}"), &["a"]), told(&[], &["a"]));
        assert_eq!(taken(&format!("{A},{other},{B}"), &["b"]), told(&["b"], &[]), "nobody asked for it");

        let (upper, upper_other) = (A.replace("\"a\"", "\"A\""), other.replace("\"a\"", "\"A\""));
        assert_eq!(taken(&format!("{upper},{upper_other}"), &["A", "a"]), told(&[], &["A", "a"]));
        let rows = format!("{upper},{upper_other},{A}");
        assert_eq!(taken(&rows, &["A", "a"]), told(&["a"], &["A"]), "its own spelling is in no doubt");
    }

    #[test]
    fn extra_rows_go_to_nobody() {
        let taken = take_apart(Route::QueueActivity, &answer(&format!("{A},{B}")), &ids(&["a"])).unwrap();
        assert_eq!((taken.rows.len(), taken.is_anothers), (1, false));
    }

    #[test]
    fn an_answer_with_the_rows_of_others_alone_is_anothers() {
        let is_anothers =
            |rows: &str| take_apart(Route::QueueActivity, &answer(rows), &ids(&["b", "c"])).unwrap().is_anothers;
        assert!(is_anothers(A));
        assert!(!is_anothers(&format!("{A},{B}")));
        assert!(!is_anothers(""), "all are absent");
    }

    #[test]
    fn a_row_without_an_id_is_a_doubt() {
        for rows in ["1", "{}", r#"{"queueId":1}"#, r#"{"id":"a"}"#, r#"{"queueId":"a","queueId":"b"}"#] {
            assert_eq!(served(rows, &["a"], &["a"]), None, "{rows}");
        }
        assert!(take_apart(Route::Questions, &answer(A), &ids(&["a"])).is_none());
    }

    #[test]
    fn a_rows_own_failure_is_seen() {
        let rows = r#"{"id":"a","success":false},{"id":"b","success":true},{"id":"c"},{"id":"d","success":false,"success":true}"#;
        let taken = take_apart(Route::QueueSummary, &answer(rows), &ids(&["a", "b", "c", "d"])).unwrap();
        let succeeded = |id| taken.rows[&ids(&[id])[0]].succeeded;
        assert_eq!(["a", "b", "c", "d"].map(succeeded), [false, true, true, false]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_apart_or_not(bytes: Vec<u8>) {
            let _ = take_apart(Route::QueueSummary, &bytes.into(), &ids(&["a"]));
        }
    }
}
