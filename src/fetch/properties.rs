//! What holds of every answer that is taken apart, whatever its bytes: an oracle for the fuzzer and for the seeds in
//! `fuzz/corpus`, which reads the answer in its own way.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::rows::{Row, SplitResponse, join_rows, no_row_failed, split_rows};
use crate::{
    auth::filter_companies,
    model::{CompanyId, Json, QueueId, Route},
    upstream::answer_means,
};

/// What becomes of an answer, in a word: what it means, and of a success how it is handled.
pub(crate) fn vendor_answer(route: Route, status: u16, body: Bytes) -> &'static str {
    match (answer_means(route, status, &body), route) {
        ("success", Route::Organization) => cut_to_companies(&body),
        ("success", Route::QueueSummary) => in_parts(route, "id", &body),
        ("success", Route::QueueActivity) => in_parts(route, "queueId", &body),
        ("success", Route::QueuePerformance) => in_parts(route, "queryId", &body),
        (word, _) => word,
    }
}

/// A row's text without the white space and the order of its members; as it is if it cannot be read.
fn canonical(row: &str) -> String {
    let Ok(json) = Json::parse(row.as_bytes()) else { return row.to_owned() };
    let mut text = String::new();
    json.write(&mut text);
    text
}

/// What is taken apart is put together again to the same JSON, byte for byte but for the space around rows; each row
/// goes to who asked for it and to nobody else.
fn in_parts(route: Route, member: &str, body: &Bytes) -> &'static str {
    let originals = list(body, |data| data.result);
    let named: Vec<(Option<String>, &str)> = originals.iter().map(|row| (text_member(row, member), *row)).collect();
    let exact = once_each(named.iter().filter_map(|(id, _)| QueueId::try_from(id.clone()?).ok()));
    let respelled = exact.iter().flat_map(|id| [id.as_str().to_ascii_uppercase(), id.as_str().to_ascii_lowercase()]);
    let nobodys = ["nobody's".to_owned()];
    let asked =
        once_each(exact.iter().cloned().chain(respelled.chain(nobodys).filter_map(|id| QueueId::try_from(id).ok())));
    let Some(SplitResponse { envelope, rows, ambiguous, .. }) = split_rows(route, body, &asked) else { return "whole" };

    assert!(rows.keys().all(|id| asked.contains(id)), "a row that nobody asked for");
    let mut of_id = HashMap::<&str, Vec<&str>>::new();
    for (id, row) in named.iter().filter_map(|(id, row)| Some((id.as_deref()?, *row))) {
        of_id.entry(id).or_default().push(row);
    }
    let differ = |rows: &[&str]| rows.iter().map(|row| canonical(row)).collect::<HashSet<_>>().len() > 1;
    let is_claimed = |spelling: &str| asked.iter().any(|id| id.as_str() == spelling);
    for id in &asked {
        // Its own spelling, else the one other spelling that no other id claims.
        let others = || of_id.iter().filter(|(other, _)| other.eq_ignore_ascii_case(id.as_str()) && !is_claimed(other));
        let meant: Vec<_> = match of_id.get_key_value(id.as_str()) {
            Some(own) => vec![own],
            None => others().collect(),
        };
        let is_ambiguous = meant.iter().any(|(_, rows)| differ(rows));
        let row = match &meant[..] {
            [(_, rows)] if !is_ambiguous => rows.first(),
            _ => None,
        };
        assert_eq!(rows.get(id).map(|row| &row.body[..]), row.map(|row| row.as_bytes()), "of {id}");
        assert_eq!(ambiguous.contains(id), is_ambiguous, "of {id}");
    }
    for row in rows.values() {
        assert!(!row.succeeded || !says_it_failed(&row.body), "{row:?}");
        assert!(row.succeeded || row.body.windows(5).any(|word| word == b"false"), "{row:?}");
    }
    assert!(!no_row_failed(body) || !originals.iter().any(|row| says_it_failed(row.as_bytes())));

    let of = |ids: &[QueueId]| {
        let bodies: Vec<&Bytes> = ids.iter().filter_map(|id| rows.get(id)).map(|row: &Row| &row.body).collect();
        join_rows(&envelope, bodies.into_iter())
    };
    let again = of(&exact);
    let clear: Vec<_> = named
        .iter()
        .map(|(id, row)| (id.clone().filter(|id| of_id.get(id.as_str()).is_none_or(|rows| !differ(rows))), *row))
        .collect();
    assert_same_but_for_missing_rows(body, &again, &clear);
    let backwards: Vec<QueueId> = exact.iter().rev().cloned().collect();
    for ids in [&exact[..], &backwards[..], exact.get(..1).unwrap_or_default(), &[]] {
        let answer = of(ids);
        assert_eq!(answer_means(route, 200, &answer), "success", "put together again");
        let taken = split_rows(route, &answer, ids);
        assert!(taken.is_some(), "what was put together cannot be taken apart");
        let Some(taken) = taken else { continue };
        let around = |envelope| join_rows(envelope, [].into_iter());
        assert_eq!(around(&taken.envelope), around(&envelope), "another envelope");
        assert_eq!(taken.envelope.extras(), envelope.extras());
        assert!(ids.iter().all(|id| taken.rows.get(id) == rows.get(id)), "another row");
    }
    "in-parts"
}

/// `again` was put together from one row for each id, in the order in which they stand in `body`.
fn assert_same_but_for_missing_rows(body: &[u8], again: &[u8], named: &[(Option<String>, &str)]) {
    let mut seen = HashSet::new();
    let is_kept: Vec<bool> = named
        .iter()
        .map(|(id, _)| id.clone().and_then(|id| QueueId::try_from(id).ok()).is_some_and(|id| seen.insert(id)))
        .collect();
    if is_kept.iter().all(|is_kept| *is_kept) {
        assert_eq!(without_space(again), without_space(body));
        return;
    }
    let (Ok(mut told), Ok(again)) = (serde_json::from_slice::<Value>(body), serde_json::from_slice::<Value>(again))
    else {
        return;
    };
    if let Some(rows) = told.pointer_mut("/data/result").and_then(Value::as_array_mut) {
        let mut is_kept = is_kept.into_iter();
        rows.retain(|_| is_kept.next().unwrap_or(false));
    }
    assert_eq!(again, told);
}

/// A caller who may see every other company sees just those, and all else as it was; or nothing.
fn cut_to_companies(body: &Bytes) -> &'static str {
    let rows = list(body, |data| data.companies);
    let ids: Vec<Option<CompanyId>> = rows.iter().map(|row| company(row)).collect();
    let every_other = ids.iter().flatten().copied().step_by(2).collect::<HashSet<CompanyId>>();
    let Ok(cut) = filter_companies(body, &every_other) else { return "never-cut" };
    assert!(ids.iter().all(Option::is_some), "a company without an id was understood");

    let mine: Vec<&str> = rows
        .iter()
        .zip(&ids)
        .filter(|(_, id)| id.is_some_and(|id| every_other.contains(&id)))
        .map(|(row, _)| *row)
        .collect();
    assert_eq!(list(&cut, |data| data.companies), mine);
    assert_eq!(answer_means(Route::Organization, 200, &cut), "success", "after the cut");
    assert_eq!(filter_companies(&cut, &every_other).ok(), Some(cut), "cut a second time");
    let all = ids.iter().flatten().copied().collect();
    let whole = filter_companies(body, &all).unwrap_or_default();
    assert_eq!(without_space(&whole), without_space(body), "nothing cut away");
    "cut"
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    companies: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    result: Option<Vec<&'a RawValue>>,
}

/// A list's rows, byte for byte.
fn list(body: &[u8], which: for<'a> fn(Data<'a>) -> Option<Vec<&'a RawValue>>) -> Vec<&str> {
    let answer = serde_json::from_slice::<Answer<'_>>(body).ok();
    let rows = answer.and_then(|answer| which(answer.data)).unwrap_or_default();
    rows.into_iter().map(RawValue::get).collect()
}

fn member<'a>(row: &'a str, name: &str) -> Option<&'a RawValue> {
    serde_json::from_str::<HashMap<String, &'a RawValue>>(row).ok()?.remove(name)
}

fn text_member(row: &str, name: &str) -> Option<String> {
    serde_json::from_str(member(row, name)?.get()).ok()
}

fn company(row: &str) -> Option<CompanyId> {
    serde_json::from_str(member(row, "id")?.get()).ok()
}

fn says_it_failed(row: &[u8]) -> bool {
    let row = std::str::from_utf8(row).unwrap_or_default();
    member(row, "success").is_some_and(|success| success.get() == "false")
}

fn once_each(ids: impl Iterator<Item = QueueId>) -> Vec<QueueId> {
    let mut seen = HashSet::new();
    ids.filter(|id| seen.insert(id.clone())).collect()
}

/// The document without the space that JSON allows between its tokens.
fn without_space(json: &[u8]) -> String {
    let (mut in_string, mut escaped) = (false, false);
    let is_told = |byte: &u8| {
        let is_told = in_string || !b" \t\r\n".contains(byte);
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            _ => {}
        }
        is_told
    };
    let told: Vec<u8> = json.iter().copied().filter(is_told).collect();
    String::from_utf8_lossy(&told).into_owned()
}
