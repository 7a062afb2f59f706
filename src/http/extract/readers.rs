//! How the reference's types are read. `null` is a wrong type everywhere.

use std::ops::RangeInclusive;

use super::fields::Wrong;
use crate::model::{CompanyId, Interval, Json, QueueId};

fn wrong<T>(why: impl Into<std::borrow::Cow<'static, str>>) -> Result<T, Wrong> {
    Err(vec![(String::new(), why.into())])
}

fn not<T>(wanted: &str, got: &Json) -> Result<T, Wrong> {
    wrong(format!("this must be {wanted}, not {}", got.type_name()))
}

pub(in crate::http) fn boolean(json: Json) -> Result<bool, Wrong> {
    match json {
        Json::Bool(value) => Ok(value),
        other => not("true or false", &other),
    }
}

pub(in crate::http) fn text(json: Json) -> Result<String, Wrong> {
    match json {
        Json::String(text) => Ok(text),
        other => not("a string", &other),
    }
}

pub(in crate::http) fn some_text(json: Json) -> Result<String, Wrong> {
    let text = text(json)?;
    if text.trim().is_empty() { wrong("this may not be empty") } else { Ok(text) }
}

/// One of some words.
pub(in crate::http) fn one_of<T: Copy, const N: usize>(
    all: [T; N],
    word: impl Fn(T) -> &'static str,
) -> impl FnOnce(Json) -> Result<T, Wrong> {
    move |json| {
        let text = text(json)?;
        let words = || all.map(|one| format!("\"{}\"", word(one))).join(" or ");
        all.into_iter().find(|one| word(*one) == text).map_or_else(|| wrong(format!("this must be {}", words())), Ok)
    }
}

/// A whole number written in digits alone: `1.0` and `1e2` are refused, as the reference shows none.
pub(in crate::http) fn whole_number(range: RangeInclusive<u64>) -> impl FnOnce(Json) -> Result<u64, Wrong> {
    move |json| match json {
        Json::Number(text) => match text.parse::<u64>() {
            Ok(number) if range.contains(&number) && !text.starts_with('+') => Ok(number),
            _ if *range.end() == u64::MAX => wrong(format!("this must be a whole number from {}", range.start())),
            _ => wrong(format!("this must be a whole number from {} to {}", range.start(), range.end())),
        },
        other => not("a number", &other),
    }
}

pub(in crate::http) fn company_id(json: Json) -> Result<CompanyId, Wrong> {
    match json {
        Json::Number(text) => text.parse().or_else(|error: crate::model::InvalidCompanyId| wrong(error.to_string())),
        other => not("a number", &other),
    }
}

pub(in crate::http) fn interval(json: Json) -> Result<Interval, Wrong> {
    let text = text(json)?;
    Interval::parse(&text).or_else(|error| wrong(error.to_string()))
}

/// The ids in the order asked, doubled ones too.
pub(in crate::http) fn queues(most: usize) -> impl FnOnce(Json) -> Result<Vec<QueueId>, Wrong> {
    move |json| {
        let ids = match json {
            Json::Array(ids) => ids,
            other => return not("an array of queue ids", &other),
        };
        if ids.is_empty() {
            return wrong("this must name one queue at least");
        }
        if ids.len() > most {
            return wrong(format!("this may name {most} queues at most, not {}", ids.len()));
        }
        let mut faults = Wrong::new();
        let mut queues = Vec::with_capacity(ids.len());
        for (i, id) in ids.into_iter().enumerate() {
            match id {
                Json::String(text) => match QueueId::try_from(text) {
                    Ok(id) => queues.push(id),
                    Err(error) => faults.push((format!("/{i}"), error.to_string().into())),
                },
                other => {
                    faults.push((format!("/{i}"), format!("this must be a string, not {}", other.type_name()).into()))
                }
            }
        }
        if faults.is_empty() { Ok(queues) } else { Err(faults) }
    }
}

/// Objects with a `dimension`, a string, and a `value`, whatever the vendor takes.
pub(in crate::http) fn filters(json: Json) -> Result<Vec<Json>, Wrong> {
    let filters = match json {
        Json::Array(filters) => filters,
        other => return not("an array of filters", &other),
    };
    let faults: Wrong = filters.iter().enumerate().flat_map(|(i, filter)| filter_faults(i, filter)).collect();
    if faults.is_empty() { Ok(filters) } else { Err(faults) }
}

fn filter_faults(i: usize, filter: &Json) -> Wrong {
    let Json::Object(members) = filter else {
        return vec![(format!("/{i}"), format!("this must be an object, not {}", filter.type_name()).into())];
    };
    let mut faults = Wrong::new();
    match members.get("dimension") {
        Some(Json::String(_)) => {}
        Some(other) => {
            faults
                .push((format!("/{i}/dimension"), format!("this must be a string, not {}", other.type_name()).into()));
        }
        None => faults.push((format!("/{i}/dimension"), "a filter must name its dimension".into())),
    }
    if !members.contains_key("value") {
        faults.push((format!("/{i}/value"), "a filter must have a value".into()));
    }
    faults
}
