//! Organization, questions, surveys.

use serde_json::Value;

use super::params::{Params, invalid};
use crate::data::organization::{self, Company};
use crate::data::surveys::Filter;
use crate::data::{questions, surveys};
use crate::envelope::{Refusal, success};
use crate::handler::SimRequest;
use crate::state::Inner;
use crate::time::local;

pub(crate) fn organization(_: &Inner, _: &SimRequest) -> Result<String, Refusal> {
    Ok(success(&organization::data()))
}

fn company(id: Option<u64>) -> Result<&'static Company, Refusal> {
    id.and_then(organization::company).ok_or_else(|| invalid("unknown companyId"))
}

pub(crate) fn questions(inner: &Inner, request: &SimRequest) -> Result<String, Refusal> {
    let id = request.path.rsplit('/').next().and_then(|id| id.parse().ok());
    Ok(success(&questions::data(inner.options.seed, company(id)?)))
}

pub(crate) fn surveys(inner: &Inner, request: &SimRequest) -> Result<String, Refusal> {
    let params = Params::read(&request.body)?;
    let company = company(params.mandatory("companyId")?.as_u64())?;
    let filter = filters(
        params.get("filters"),
        Filter {
            offset: params.number("offset", 0, 0..=u32::MAX as usize)?,
            limit: params.number("limit", 10, 1..=100)?,
            extended: params.boolean("extended")?,
            ..Filter::default()
        },
    )?;
    Ok(success(&surveys::data(inner.options.seed, company, &filter, inner.now())))
}

/// Adds the request's filters. Of two filters of one dimension the last applies.
fn filters(given: Option<&Value>, mut filter: Filter) -> Result<Filter, Refusal> {
    let Some(given) = given else { return Ok(filter) };
    for rule in given.as_array().ok_or_else(|| invalid("filters is not an array"))? {
        let dimension = rule.get("dimension").and_then(Value::as_str);
        let dimension = dimension.ok_or(Refusal::Missing("filters.dimension"))?;
        let value = rule.get("value").ok_or(Refusal::Missing("filters.value"))?;
        match dimension {
            "dateTime" => filter.time = Some((bound(value, "startTime")?, bound(value, "endTime")?)),
            "queueName" => filter.queue = Some(word(value)?),
            "agentName" => filter.agent = Some(word(value)?),
            "mediaType" => filter.media = Some(word(value)?),
            other => return Err(invalid(format!("unknown dimension {other}"))),
        }
    }
    Ok(filter)
}

fn bound(value: &Value, name: &'static str) -> Result<i64, Refusal> {
    let text = value.get(name).ok_or(Refusal::Missing(name))?.as_str();
    text.and_then(local).ok_or_else(|| invalid(format!("{name} is not a local date and time")))
}

fn word(value: &Value) -> Result<String, Refusal> {
    value.as_str().map(str::to_owned).ok_or_else(|| invalid("a filter's value is not a string"))
}
