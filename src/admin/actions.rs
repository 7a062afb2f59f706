//! What operators change: purge, reload and the log filter.

use std::{net::IpAddr, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{
    Json,
    body::Bytes,
    extract::Request,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use tower_http::request_id::RequestId;

use super::state::{AdminState, ReloadRejected};
use crate::{
    fetch::Purge,
    http::{ClientInfo, error_code::ErrorCode, extract::read_bytes, problem::Problem},
    model::{CompanyId, QueueId},
    telemetry::{FilterError, change_log_filter, events, log_filter},
};

const MAX_BODY_BYTES: usize = 64 * 1024;
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone, Copy)]
pub(super) enum AdminAction {
    Purge,
    Reload,
    LogFilter,
}

impl AdminAction {
    /// Returns the name in the log.
    fn as_str(self) -> &'static str {
        match self {
            Self::Purge => "purge",
            Self::Reload => "reload",
            Self::LogFilter => "log_filter",
        }
    }

    async fn run(self, state: Arc<AdminState>, body: &[u8]) -> Result<Response, Problem> {
        match self {
            Self::Purge => purge(state, body).await,
            Self::Reload => reload(&state).await,
            Self::LogFilter => put_log_filter(body),
        }
    }
}

/// Runs an action with a request's body and logs it, also if the body is refused. It is a task of its own, so that a client
/// that disconnects prevents neither.
pub(super) async fn execute(
    state: Arc<AdminState>,
    action: AdminAction,
    body: Result<Bytes, Problem>,
    from: IpAddr,
    id: RequestId,
) -> Response {
    // It is never closed.
    let permit = Arc::clone(&state.actions).acquire_owned().await;
    let task = tokio::spawn(async move {
        let _permit = permit;
        let done = async { action.run(state, &body?).await };
        let done = AssertUnwindSafe(done).catch_unwind().await;
        let response = done.unwrap_or_else(|_| Err(Problem::internal())).unwrap_or_else(IntoResponse::into_response);
        let id = id.header_value().to_str().unwrap_or("-");
        events::operator_acted(action.as_str(), response.status().as_u16(), id, from);
        response
    });
    task.await.unwrap_or_else(|_| Problem::internal().into_response())
}

/// Returns the client's address, for the log.
pub(super) fn client_address(request: &Request) -> IpAddr {
    let client = request.extensions().get::<Arc<ClientInfo>>().cloned().unwrap_or_default();
    client.address(request.headers())
}

/// Reads a body, which may be empty. Otherwise its `Content-Type` must be JSON, which no form on a web page can send.
pub(super) async fn read_body(state: &AdminState, request: Request) -> Result<Bytes, Problem> {
    let (head, body) = request.into_parts();
    let body = read_bytes(&head.headers, body, MAX_BODY_BYTES, BODY_TIMEOUT, state.app.clock.as_ref()).await?;
    if body.is_empty() || is_json(&head.headers) {
        return Ok(body);
    }
    Err(Problem::new(ErrorCode::UnsupportedMediaType, "Send the body as application/json."))
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

fn invalid(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(ErrorCode::InvalidRequest, detail)
}

/// A struct would be read out of a list too, by the places of its members.
fn object<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Option<T> {
    let object = body.trim_ascii_start().starts_with(b"{");
    object.then(|| serde_json::from_slice(body).ok()).flatten()
}

/// What `POST /admin/cache/purge` takes.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PurgeRequest {
    #[serde(deserialize_with = "deserialize_present")]
    route: Option<String>,
    #[serde(deserialize_with = "deserialize_present")]
    company: Option<u64>,
    #[serde(deserialize_with = "deserialize_present")]
    queue: Option<String>,
    hard: bool,
}

/// `null` is a value, and a wrong one: a script whose variable was empty must not purge all.
fn deserialize_present<'b, T: Deserialize<'b>, D: Deserializer<'b>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

async fn purge(state: Arc<AdminState>, body: &[u8]) -> Result<Response, Problem> {
    let form = r#"The body must be {"route"?: a template, "company"?: a number, "queue"?: an id, "hard"?: a boolean}."#;
    let asked: PurgeRequest = match body {
        [] => PurgeRequest::default(),
        body => object(body).ok_or_else(|| invalid(form))?,
    };
    let route = match asked.route {
        None => None,
        Some(name) => {
            let found = state.app.cacheable_route(&name);
            Some(found.ok_or_else(|| invalid("`route` must be a route's template, as the metrics name it."))?)
        }
    };
    let company = asked.company.map(CompanyId::try_from).transpose();
    let queue = asked.queue.map(QueueId::try_from).transpose();
    let purge = Purge {
        route,
        company: company.map_err(|_| invalid("`company` must be a positive whole number."))?,
        queue: queue.map_err(|_| invalid("`queue` must be a queue's id."))?,
        hard: asked.hard,
    };
    let hard = purge.hard;
    let purged = spawn_blocking(move || state.app.purge(&purge)).await.map_err(|_| Problem::internal())?;
    events::purged(purged, hard);
    Ok(Json(json!({ "purged": purged, "hard": hard })).into_response())
}

async fn reload(state: &AdminState) -> Result<Response, Problem> {
    match state.config.reload().await {
        Ok(needs_restart) => Ok(Json(json!({ "outcome": "good", "needsRestart": needs_restart })).into_response()),
        Err(ReloadRejected::InProgress) => {
            let detail = "The configuration is being read again already. Ask once more when that is over, if you have \
                          changed it since.";
            Err(Problem::new(ErrorCode::Overloaded, detail).retry_after(Duration::from_secs(1)))
        }
        Err(ReloadRejected::Faults(faults)) => {
            Err(invalid(format!("The configuration was not reloaded: {}.", faults.join("\n"))))
        }
    }
}

/// What `PUT /admin/log-filter` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogFilterRequest {
    filter: String,
}

pub(super) async fn get_log_filter() -> Json<Value> {
    Json(current_log_filter())
}

fn current_log_filter() -> Value {
    json!({ "filter": log_filter() })
}

fn put_log_filter(body: &[u8]) -> Result<Response, Problem> {
    let asked: LogFilterRequest =
        object(body).ok_or_else(|| invalid(r#"The body must be {"filter": "info"}, say."#))?;
    match change_log_filter(&asked.filter) {
        Ok(()) => {
            events::log_filter_changed();
            Ok(Json(current_log_filter()).into_response())
        }
        Err(FilterError::NoLog) => Err(Problem::new(ErrorCode::NotFound, "This process writes no log.")),
        Err(error @ FilterError::Invalid(_)) => Err(invalid(format!("`filter`: {error}."))),
    }
}
