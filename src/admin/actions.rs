use std::{net::IpAddr, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{
    Json,
    body::{Body, Bytes},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::{Deserialize, Deserializer};
use serde_json::json;
use tokio::task::spawn_blocking;

use super::{Admin, NotReloaded, Operator, problem::Problem};
use crate::{
    clock::before,
    fetch::Purge,
    model::{CompanyId, QueueId},
    telemetry::{FilterError, change_log_filter, events, log_filter},
};

const MOST_BODY: usize = 64 * 1024;
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// What is done at once, at most, for those included who have left meanwhile.
pub(super) const MOST_ACTING: usize = 16;

/// What changes something.
#[derive(Clone, Copy)]
pub(super) enum Act {
    Purge,
    Reload,
    LogFilter,
}

impl Act {
    /// As the log names it.
    fn as_str(self) -> &'static str {
        match self {
            Self::Purge => "purge",
            Self::Reload => "reload",
            Self::LogFilter => "log_filter",
        }
    }

    async fn done(self, operator: &Arc<dyn Operator>, body: &[u8]) -> Result<Response, Problem> {
        match self {
            Self::Purge => purge(operator, body).await,
            Self::Reload => reload(operator).await,
            Self::LogFilter => put_log_filter(body),
        }
    }
}

impl Admin {
    /// Does something that an operator asked for, and logs it. Runs in a task of its own: whoever leaves meanwhile keeps it
    /// neither from being done nor from being told. Who leaves before has done nothing.
    pub(super) async fn carry_out(
        &self,
        act: Act,
        headers: &HeaderMap,
        body: Body,
        from: IpAddr,
        id: &str,
    ) -> Response {
        let body = match act {
            Act::Reload => Ok(Bytes::new()),
            Act::Purge | Act::LogFilter => self.read(headers, body).await,
        };
        // Nobody closes it.
        let place = Arc::clone(&self.acting).acquire_owned().await;
        let (operator, own_id) = (Arc::clone(&self.operator), id.to_owned());
        let acting = tokio::spawn(async move {
            let _place = place;
            let done = async { act.done(&operator, &body?).await };
            let done = AssertUnwindSafe(done).catch_unwind().await.unwrap_or_else(|_| Err(Problem::internal()));
            let answer = done.unwrap_or_else(|problem| problem.render(&own_id));
            events::operator_acted(act.as_str(), answer.status().as_u16(), &own_id, from);
            answer
        });
        acting.await.unwrap_or_else(|_| Problem::internal().render(id))
    }

    /// A body, which may be empty; else it must be JSON by its own word, which no form on a web page can say.
    pub(super) async fn read(&self, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
        let deadline = self.clock.now().after(BODY_TIMEOUT);
        let read = before(self.clock.as_ref(), deadline, Limited::new(body, MOST_BODY).collect()).await;
        let body = match read.ok_or_else(Problem::too_slow)? {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => return Err(Problem::too_large()),
            Err(_) => return Err(Problem::invalid("The body ended too early. Send the request again.")),
        };
        let told = headers.get(header::CONTENT_TYPE).and_then(|told| told.to_str().ok()).unwrap_or_default();
        let json = told.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json");
        if json || body.is_empty() { Ok(body) } else { Err(Problem::unsupported_media_type()) }
    }
}

/// A struct would be read out of a list too, by the places of its members.
fn object<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Option<T> {
    let object = body.trim_ascii_start().starts_with(b"{");
    object.then(|| serde_json::from_slice(body).ok()).flatten()
}

pub(super) async fn status(operator: &Arc<dyn Operator>) -> Result<Response, Problem> {
    let operator = Arc::clone(operator);
    let status = spawn_blocking(move || operator.status()).await.map_err(|_| Problem::internal())?;
    Ok(Json(status).into_response())
}

/// What `POST /admin/cache/purge` takes.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PurgeAsked {
    #[serde(deserialize_with = "given")]
    route: Option<String>,
    #[serde(deserialize_with = "given")]
    company: Option<u64>,
    #[serde(deserialize_with = "given")]
    queue: Option<String>,
    hard: bool,
}

/// `null` is a value, and a wrong one: a script whose variable was empty must not purge all.
fn given<'b, T: Deserialize<'b>, D: Deserializer<'b>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

async fn purge(operator: &Arc<dyn Operator>, body: &[u8]) -> Result<Response, Problem> {
    let form = r#"The body must be {"route"?: a template, "company"?: a number, "queue"?: an id, "hard"?: a boolean}."#;
    let asked: PurgeAsked = match body {
        [] => PurgeAsked::default(),
        body => object(body).ok_or_else(|| Problem::invalid(form))?,
    };
    let route = match asked.route {
        None => None,
        Some(name) => {
            let found = operator.cacheable_route(&name);
            Some(found.ok_or_else(|| Problem::invalid("`route` must be a route's template, as the metrics name it."))?)
        }
    };
    let company = asked.company.map(CompanyId::try_from).transpose();
    let queue = asked.queue.map(QueueId::try_from).transpose();
    let purge = Purge {
        route,
        company: company.map_err(|_| Problem::invalid("`company` must be a positive whole number."))?,
        queue: queue.map_err(|_| Problem::invalid("`queue` must be a queue's id."))?,
        hard: asked.hard,
    };
    let operator = Arc::clone(operator);
    let hard = purge.hard;
    let purged = spawn_blocking(move || operator.purge(&purge)).await.map_err(|_| Problem::internal())?;
    events::purged(purged, hard);
    Ok(Json(json!({ "purged": purged, "hard": hard })).into_response())
}

pub(super) async fn explain(operator: &Arc<dyn Operator>, body: Bytes) -> Result<Response, Problem> {
    let operator = Arc::clone(operator);
    spawn_blocking(move || operator.explain(&body)).await.map_err(|_| Problem::internal())
}

async fn reload(operator: &Arc<dyn Operator>) -> Result<Response, Problem> {
    match operator.reload().await {
        Ok(needs_restart) => Ok(Json(json!({ "outcome": "good", "needsRestart": needs_restart })).into_response()),
        Err(NotReloaded::UnderWay) => Err(Problem::reload_under_way()),
        Err(NotReloaded::Refused(why)) => {
            Err(Problem::invalid(format!("The configuration was not reloaded: {}.", why.join("\n"))))
        }
    }
}

/// What `PUT /admin/log-filter` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilterAsked {
    filter: String,
}

pub(super) fn get_log_filter() -> Response {
    Json(json!({ "filter": log_filter() })).into_response()
}

fn put_log_filter(body: &[u8]) -> Result<Response, Problem> {
    let asked: FilterAsked =
        object(body).ok_or_else(|| Problem::invalid(r#"The body must be {"filter": "info"}, say."#))?;
    match change_log_filter(&asked.filter) {
        Ok(()) => {
            events::log_filter_changed();
            Ok(get_log_filter())
        }
        Err(FilterError::NoLog) => Err(Problem::not_found("This process writes no log.")),
        Err(error @ FilterError::Invalid(_)) => Err(Problem::invalid(format!("`filter`: {error}."))),
    }
}
