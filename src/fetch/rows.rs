//! A queue answer, taken apart into one row a queue and put together again. Pure.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    sync::Arc,
};

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::value::RawValue;

use crate::model::{Json, QueueId, Route, members_named, object_members, only_member, splice};

/// The vendor's envelope around the rows, byte for byte.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Envelope {
    whole: Around,
    /// With `data`, `success` and `result` alone: what a restricted caller gets. `None` if there is nothing else.
    restricted: Option<Around>,
    /// The other members, to compare two answers by; empty if there are none.
    extras: Box<str>,
    /// How many ids the call held that brought it.
    ids: usize,
}

#[derive(Debug, PartialEq, Eq)]
struct Around {
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

/// An answer in parts. An id that was asked for, has no row and is not ambiguous is absent.
pub(super) struct SplitResponse {
    pub(super) envelope: Arc<Envelope>,
    pub(super) rows: HashMap<QueueId, Row>,
    /// Those that were asked for and have two different rows.
    pub(super) ambiguous: HashSet<QueueId>,
    /// There are rows, and none is of a queue that was asked for: it is the answer to another request.
    pub(super) is_foreign: bool,
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

/// What the rows of an answer hold for one spelling of an id.
#[derive(Clone, Copy)]
enum RowMatch<'a> {
    One(&'a RawValue),
    /// Rows of two spellings: a third spelling gets neither.
    OtherSpellings,
    /// Two different rows.
    Ambiguous,
}

/// Splits the answer to a call for `asked`. `None` if no row can be given to anybody: one without an id could be any
/// queue's. Two different rows of one queue leave the other rows as they are (5.13).
///
/// A row is matched exactly first, then without regard to ASCII case; a row that one id claims exactly is given to no other
/// spelling. Rows of queues that were not asked for are left out; rows that are equal as JSON values are one.
pub(super) fn split_rows(route: Route, body: &Bytes, asked: &[QueueId]) -> Option<SplitResponse> {
    let text = std::str::from_utf8(body).ok()?;
    let spliced = splice(text, "data", "result")?;
    let member = id_member(route)?;
    let mut exact: HashMap<String, RowMatch<'_>> = HashMap::with_capacity(spliced.rows.len());
    for row in &spliced.rows {
        let id: String = serde_json::from_str(only_member(row, member)?.get()).ok()?;
        let found = exact.entry(id).or_insert(RowMatch::One(row));
        if !matches!(found, RowMatch::One(other) if is_same_value(other, row)) {
            *found = RowMatch::Ambiguous;
        }
    }
    let claimed: HashSet<&str> = asked.iter().map(QueueId::as_str).filter(|id| exact.contains_key(*id)).collect();
    let mut folded: HashMap<String, RowMatch<'_>> = HashMap::with_capacity(exact.len());
    for (id, found) in exact.iter().filter(|(id, _)| !claimed.contains(id.as_str())) {
        let both = |other: &mut RowMatch<'_>| {
            let is_ambiguous = matches!(found, RowMatch::Ambiguous) || matches!(other, RowMatch::Ambiguous);
            *other = if is_ambiguous { RowMatch::Ambiguous } else { RowMatch::OtherSpellings };
        };
        folded.entry(id.to_ascii_lowercase()).and_modify(both).or_insert(*found);
    }
    let mut rows = HashMap::with_capacity(asked.len());
    let mut ambiguous = HashSet::new();
    for id in asked {
        match exact.get(id.as_str()).or_else(|| folded.get(&id.as_str().to_ascii_lowercase())) {
            Some(RowMatch::One(row)) => {
                let body = Bytes::copy_from_slice(row.get().as_bytes());
                rows.insert(id.clone(), Row { body, succeeded: succeeded(row) });
            }
            Some(RowMatch::Ambiguous) => drop(ambiguous.insert(id.clone())),
            Some(RowMatch::OtherSpellings) | None => {}
        }
    }
    let is_foreign = rows.is_empty() && ambiguous.is_empty() && !spliced.rows.is_empty();
    let envelope = Arc::new(Envelope::new(text, (spliced.before, spliced.after), asked.len())?);
    Some(SplitResponse { envelope, rows, ambiguous, is_foreign })
}

/// Whether two rows are equal as JSON values, whatever their white space and the order of their members. A value that
/// cannot be compared, such as one with a doubled member, equals only the same text.
fn is_same_value(one: &RawValue, other: &RawValue) -> bool {
    let read = |row: &RawValue| Json::parse(row.get().as_bytes()).ok();
    one.get() == other.get() || read(one).is_some_and(|one| read(other) == Some(one))
}

/// Whether no row of an answer says of itself that it failed.
pub(super) fn no_row_failed(body: &Bytes) -> bool {
    let text = std::str::from_utf8(body).unwrap_or_default();
    splice(text, "data", "result").is_none_or(|spliced| spliced.rows.iter().all(|row| succeeded(row)))
}

fn succeeded(row: &RawValue) -> bool {
    members_named(row, "success").all(|success| success.get() != "false")
}

/// Joins rows inside the vendor's envelope.
pub(super) fn join_rows<'a>(envelope: &Envelope, rows: impl Iterator<Item = &'a Bytes> + Clone) -> Bytes {
    envelope.whole.join(rows)
}

/// Joins rows for a restricted caller; `None` if it gets the same as everybody.
pub(super) fn join_restricted<'a>(envelope: &Envelope, rows: impl Iterator<Item = &'a Bytes> + Clone) -> Option<Bytes> {
    Some(envelope.restricted.as_ref()?.join(rows))
}

impl Around {
    fn new(before: &str, after: &str) -> Self {
        let copy = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        Self { before: copy(before), after: copy(after) }
    }

    fn join<'a>(&self, rows: impl Iterator<Item = &'a Bytes> + Clone) -> Bytes {
        let length: usize = rows.clone().map(|row| row.len() + 1).sum();
        let mut body = BytesMut::with_capacity(self.before.len() + length + self.after.len());
        body.put_slice(&self.before);
        for (i, row) in rows.enumerate() {
            if i > 0 {
                body.put_u8(b',');
            }
            body.put_slice(row);
        }
        body.put_slice(&self.after);
        body.freeze()
    }
}

impl Envelope {
    /// The envelope of the answer `text`, which is `before`, the rows and `after`, to a call for so many ids.
    fn new(text: &str, (before, after): (&str, &str), ids: usize) -> Option<Self> {
        let document: &RawValue = serde_json::from_str(text).ok()?;
        let mut extras = String::new();
        let mut write = |kept: &str, members: Vec<(Cow<'_, str>, &RawValue)>, inner: Option<&str>| {
            let mut members_kept = Vec::new();
            for (name, value) in members {
                match name.as_ref() {
                    "success" => members_kept.push(format!("\"success\":{}", value.get())),
                    name if name == kept => {
                        members_kept.push(format!("\"{kept}\":{}", inner.unwrap_or(PLACE_OF_ROWS)));
                    }
                    name => extras.extend([kept, " ", name, ":", value.get(), "\n"]),
                }
            }
            format!("{{{}}}", members_kept.join(","))
        };
        let data = write("result", object_members(only_member(document, "data")?), None);
        let document = write("data", object_members(document), Some(&data));
        let restricted = if extras.is_empty() { None } else { document.split_once(PLACE_OF_ROWS) };
        Some(Self {
            whole: Around::new(before, after),
            restricted: restricted.map(|(before, after)| Around::new(&format!("{before}["), &format!("]{after}"))),
            extras: extras.into(),
            ids,
        })
    }

    /// How many ids the call held that brought it.
    pub(super) fn ids(&self) -> usize {
        self.ids
    }

    /// The members other than `data`, `success` and `result`, as one text; empty if there are none.
    pub(super) fn extras(&self) -> &str {
        &self.extras
    }

    /// Bytes that it takes in memory.
    pub(super) fn weight(&self) -> usize {
        let of = |around: &Around| around.before.len() + around.after.len() + 64;
        of(&self.whole) + self.restricted.as_ref().map_or(0, of) + self.extras.len() + 64
    }
}

/// Stands for the rows while an envelope is written. `success` is a JSON value, which cannot hold a bare control character.
const PLACE_OF_ROWS: &str = "\u{1}";

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
        let SplitResponse { envelope, rows, .. } = split_rows(Route::QueueActivity, &answer(rows), &ids(asked))?;
        let wanted = ids(wanted);
        let rows = wanted.iter().filter_map(|id| rows.get(id)).map(|row| &row.body);
        Some(String::from_utf8(join_rows(&envelope, rows).to_vec()).unwrap())
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
            let taken = split_rows(Route::QueueActivity, &answer(rows), &ids(asked)).unwrap();
            assert!(!taken.is_foreign, "{rows}");
            let named = |id: &&&str| taken.rows.contains_key(&ids(&[**id])[0]);
            let clear: Vec<String> = asked.iter().filter(named).map(|id| (*id).to_owned()).collect();
            let mut doubtful: Vec<String> = taken.ambiguous.iter().map(|id| id.as_str().to_owned()).collect();
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
        assert_eq!(taken(&format!("{upper},{upper_other}"), &["A", "a"]), told(&[], &["A"]), "of its own spelling");
        assert_eq!(taken(&format!("{upper},{upper_other}"), &["a"]), told(&[], &["a"]));
        let rows = format!("{upper},{upper_other},{A}");
        assert_eq!(taken(&rows, &["A", "a"]), told(&["a"], &["A"]), "its own spelling is in no doubt");
    }

    #[test]
    fn exactly_matched_row_is_given_to_no_other_spelling() {
        let upper = A.replace("\"a\"", "\"A\"");
        let split = split_rows(Route::QueueActivity, &answer(&upper), &ids(&["a", "A"])).unwrap();
        assert_eq!(split.rows.keys().map(QueueId::as_str).collect::<Vec<_>>(), ["A"]);
        assert!(split.ambiguous.is_empty(), "the other spelling is absent");
    }

    #[test]
    fn rows_equal_as_json_values_are_one_row() {
        let spaced = r#"{ "n":1e2, "queueId" : "a" }"#;
        assert_eq!(served(&format!("{A},{spaced}"), &["a"], &["a"]), served(A, &["a"], &["a"]));
        let number = A.replace("1e2", "100");
        let split = split_rows(Route::QueueActivity, &answer(&format!("{A},{number}")), &ids(&["a"])).unwrap();
        assert_eq!(split.ambiguous.len(), 1, "numbers are compared as text");
    }

    #[test]
    fn restricted_envelope_has_no_other_members() {
        let body = r#"{"total":2,"data":{"page":1,"success":true,"result":[{"queueId":"a"}],"x":1.0},"success":true}"#;
        let split = split_rows(Route::QueueActivity, &body.into(), &ids(&["a"])).unwrap();
        let rows = || split.rows.values().map(|row| &row.body);
        let restricted = join_restricted(&split.envelope, rows()).unwrap();
        assert_eq!(restricted, r#"{"data":{"success":true,"result":[{"queueId":"a"}]},"success":true}"#);
        assert_eq!(join_rows(&split.envelope, rows()), body);
        assert_eq!(split.envelope.extras(), "result page:1\nresult x:1.0\ndata total:2\n");

        let plain = r#"{"data":{"success":true,"result":[{"queueId":"a"}]},"success":true}"#;
        let split = split_rows(Route::QueueActivity, &plain.into(), &ids(&["a"])).unwrap();
        assert_eq!(join_restricted(&split.envelope, split.rows.values().map(|row| &row.body)), None);
    }

    #[test]
    fn extra_rows_go_to_nobody() {
        let taken = split_rows(Route::QueueActivity, &answer(&format!("{A},{B}")), &ids(&["a"])).unwrap();
        assert_eq!((taken.rows.len(), taken.is_foreign), (1, false));
    }

    #[test]
    fn an_answer_with_the_rows_of_others_alone_is_anothers() {
        let is_anothers =
            |rows: &str| split_rows(Route::QueueActivity, &answer(rows), &ids(&["b", "c"])).unwrap().is_foreign;
        assert!(is_anothers(A));
        assert!(!is_anothers(&format!("{A},{B}")));
        assert!(!is_anothers(""), "all are absent");
    }

    #[test]
    fn a_row_without_an_id_is_a_doubt() {
        for rows in ["1", "{}", r#"{"queueId":1}"#, r#"{"id":"a"}"#, r#"{"queueId":"a","queueId":"b"}"#] {
            assert_eq!(served(rows, &["a"], &["a"]), None, "{rows}");
        }
        assert!(split_rows(Route::Questions, &answer(A), &ids(&["a"])).is_none());
    }

    #[test]
    fn a_rows_own_failure_is_seen() {
        let rows = r#"{"id":"a","success":false},{"id":"b","success":true},{"id":"c"},{"id":"d","success":false,"success":true}"#;
        let taken = split_rows(Route::QueueSummary, &answer(rows), &ids(&["a", "b", "c", "d"])).unwrap();
        let succeeded = |id| taken.rows[&ids(&[id])[0]].succeeded;
        assert_eq!(["a", "b", "c", "d"].map(succeeded), [false, true, true, false]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_apart_or_not(bytes: Vec<u8>) {
            let _ = split_rows(Route::QueueSummary, &bytes.into(), &ids(&["a"]));
        }
    }
}
