//! Organization, questions, surveys.

use serde_json::Value;

use super::params::{Params, invalid};
use crate::answer::{Refusal, success};
use crate::call::Call;
use crate::data::organization::{self, Company};
use crate::data::surveys::Wanted;
use crate::data::{questions, surveys};
use crate::state::Inner;
use crate::time::local;

pub(crate) fn organization() -> Result<String, Refusal> {
    Ok(success(&organization::data()))
}

fn company(id: Option<u64>) -> Result<&'static Company, Refusal> {
    id.and_then(organization::company).ok_or_else(|| invalid("unknown companyId"))
}

pub(crate) fn questions(inner: &Inner, call: &Call) -> Result<String, Refusal> {
    let id = call.path.rsplit('/').next().and_then(|id| id.parse().ok());
    Ok(success(&questions::data(inner.options.seed, company(id)?)))
}

pub(crate) fn surveys(inner: &Inner, call: &Call) -> Result<String, Refusal> {
    let params = Params::read(&call.body)?;
    let company = company(params.mandatory("companyId")?.as_u64())?;
    let wanted = filters(
        params.given("filters"),
        Wanted {
            offset: params.number("offset", 0, 0..=u64::from(u32::MAX))?,
            limit: params.number("limit", 10, 1..=100)?,
            extended: params.flag("extended")?,
            ..Wanted::default()
        },
    )?;
    Ok(success(&surveys::data(inner.options.seed, company, &wanted, inner.now())))
}

/// Adds what the filters say. Of two filters of one dimension the last counts.
fn filters(given: Option<&Value>, mut wanted: Wanted) -> Result<Wanted, Refusal> {
    let Some(given) = given else { return Ok(wanted) };
    for filter in given.as_array().ok_or_else(|| invalid("filters is not an array"))? {
        let dimension = filter.get("dimension").and_then(Value::as_str);
        let dimension = dimension.ok_or(Refusal::Missing("filters.dimension"))?;
        let value = filter.get("value").ok_or(Refusal::Missing("filters.value"))?;
        match dimension {
            "dateTime" => wanted.time = Some((bound(value, "startTime")?, bound(value, "endTime")?)),
            "queueName" => wanted.queue = Some(word(value)?),
            "agentName" => wanted.agent = Some(word(value)?),
            "mediaType" => wanted.media = Some(word(value)?),
            other => return Err(invalid(format!("unknown dimension {other}"))),
        }
    }
    Ok(wanted)
}

fn bound(value: &Value, name: &'static str) -> Result<i64, Refusal> {
    let text = value.get(name).ok_or(Refusal::Missing(name))?.as_str();
    text.and_then(local).ok_or_else(|| invalid(format!("{name} is not a local date and time")))
}

fn word(value: &Value) -> Result<String, Refusal> {
    value.as_str().map(str::to_owned).ok_or_else(|| invalid("a filter's value is not a string"))
}
