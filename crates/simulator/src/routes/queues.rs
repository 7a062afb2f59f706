//! Summary, activity, performance.

use serde_json::Value;

use super::params::{Params, invalid};
use crate::data::performance::{self, Request, SLOT};
use crate::data::queues::{Queue, well_formed};
use crate::data::runtime;
use crate::envelope::{Refusal, success};
use crate::faults::Fault;
use crate::handler::SimRequest;
use crate::json::{Object, array};
use crate::state::Inner;
use crate::time::{DAY, instant};

/// The most ids of a request, half hours of an answer, and milliseconds of an interval (31 days): the simulator's own bounds.
const MAX_IDS: usize = 1000;
const MAX_SLOTS: i64 = 200_000;
const MAX_INTERVAL: i64 = 31 * DAY;

/// A row of the answer: the queue, if it exists, and the spelling of its id.
struct Row<'a> {
    queue: Option<&'a Queue>,
    id: String,
}

pub(crate) fn summary(inner: &Inner, request: &SimRequest) -> Result<String, Refusal> {
    let params = Params::read(&request.body)?;
    let (extended, now) = (params.boolean("extended")?, inner.now());
    let rows = rows(inner, &params, request.fault)?;
    Ok(envelope(rows.iter().map(|row| match row.queue {
        Some(queue) => runtime::summary(queue, &row.id, now, extended),
        None => runtime::unknown(&row.id),
    })))
}

pub(crate) fn activity(inner: &Inner, request: &SimRequest) -> Result<String, Refusal> {
    let params = Params::read(&request.body)?;
    let (extended, now) = (params.boolean("extended")?, inner.now());
    let rows = rows(inner, &params, request.fault)?;
    let known = rows.iter().filter_map(|row| Some((row.queue?, &row.id)));
    Ok(envelope(known.map(|(queue, id)| runtime::activity(queue, id, now, extended))))
}

pub(crate) fn performance(inner: &Inner, request: &SimRequest) -> Result<String, Refusal> {
    let params = Params::read(&request.body)?;
    let rows = rows(inner, &params, request.fault)?;
    let (start, end) = interval(params.text("interval")?)?;
    let times = Request { start, end, partial: params.boolean("partial")?, extended: params.boolean("extended")? };
    if (end - start + SLOT - 1) / SLOT * rows.len() as i64 > MAX_SLOTS {
        return Err(invalid("interval is too long for so many queues"));
    }
    let now = inner.now();
    let known = rows.iter().filter_map(|row| Some((row.queue?, &row.id)));
    Ok(envelope(known.map(|(queue, id)| performance::row(queue, id, times, now))))
}

/// Returns the answer. `data` of the queue routes has a `success` of its own.
fn envelope(rows: impl Iterator<Item = String>) -> String {
    success(&Object::new().raw("success", true).raw("result", array(rows)).close())
}

/// Returns a row for each requested id, in that order, unless a fault changes them. Ids match case-insensitively; the
/// answer has the vendor's spelling.
fn rows<'a>(inner: &'a Inner, params: &Params, fault: Option<Fault>) -> Result<Vec<Row<'a>>, Refusal> {
    let ids = params.mandatory("queues")?.as_array().ok_or_else(|| invalid("queues is not an array"))?;
    if ids.is_empty() {
        return Err(Refusal::Missing("queues"));
    }
    if ids.len() > MAX_IDS {
        return Err(invalid("too many queues"));
    }
    let rows = ids.iter().map(|id| row(inner, id)).collect::<Result<Vec<_>, _>>()?;
    Ok(apply_row_fault(inner, rows, fault))
}

fn row<'a>(inner: &'a Inner, id: &Value) -> Result<Row<'a>, Refusal> {
    let id = id.as_str().ok_or_else(|| invalid("a queue id is not a string"))?;
    if !well_formed(id) {
        return Err(invalid(format!("{id} is not a queue id")));
    }
    let id = id.to_ascii_lowercase();
    Ok(Row { queue: inner.queues.iter().find(|queue| queue.id == id), id })
}

fn apply_row_fault<'a>(inner: &'a Inner, mut rows: Vec<Row<'a>>, fault: Option<Fault>) -> Vec<Row<'a>> {
    match fault {
        Some(Fault::MissingIds) => {
            rows.remove(0);
        }
        Some(Fault::DoubledIds) => {
            let twice = |row: Row<'a>| [Row { queue: row.queue, id: row.id.clone() }, row];
            rows = rows.into_iter().flat_map(twice).collect();
        }
        Some(Fault::ReorderedIds) => rows.reverse(),
        Some(Fault::UpperIds) => rows.iter_mut().for_each(|row| row.id.make_ascii_uppercase()),
        Some(Fault::ExtraIds) => {
            let other = inner.queues.iter().find(|queue| rows.iter().all(|row| row.id != queue.id));
            rows.splice(0..0, other.map(|queue| Row { queue: Some(queue), id: queue.id.clone() }));
        }
        _ => {}
    }
    rows
}

/// Parses two RFC 3339 times in order.
fn interval(text: &str) -> Result<(i64, i64), Refusal> {
    let times = text.split_once('/').and_then(|(start, end)| Some((instant(start)?, instant(end)?)));
    let (start, end) = times.ok_or_else(|| invalid("interval is not start/end"))?;
    if end <= start {
        return Err(invalid("interval ends before it starts"));
    }
    if end - start > MAX_INTERVAL {
        return Err(invalid("interval is longer than 31 days"));
    }
    Ok((start, end))
}
