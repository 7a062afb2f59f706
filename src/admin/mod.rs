//! The second listener: for who runs the gateway, not for callers (`docs/admin.md`). `guard` says who may, `actions` does
//! what is asked, `exposition` writes the metrics, `pages` holds the dashboard and `live` tells it how all stands; what there
//! is to see and to do is the [`Operator`]'s.

mod actions;
mod exposition;
mod guard;
mod live;
mod pages;
mod problem;

use std::{net::IpAddr, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{
    Json,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{FutureExt, future::BoxFuture};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::{
    callers::Caller,
    clock::SharedClock,
    config::Secret,
    fetch::{Purge, Readiness},
    model::Route,
};
use actions::Act;
use guard::{Access, Refusal};
pub use live::Live;
use pages::File;
use problem::Problem;

/// The admin listener's state.
#[derive(Clone)]
pub struct Admin {
    token: Secret,
    operator: Arc<dyn Operator>,
    live: Arc<Live>,
    /// For the time that a body may take.
    clock: SharedClock,
    /// Room for what is being done.
    acting: Arc<Semaphore>,
}

/// What there is to see, and to do. What is said here to take long runs apart from what answers.
pub trait Operator: Send + Sync + 'static {
    /// Whether callers can be answered.
    fn readiness(&self) -> Readiness;
    /// The metrics, as OpenMetrics text.
    fn metrics(&self) -> String;
    /// The callers.
    fn callers(&self) -> Vec<Arc<Caller>>;
    /// How all stands. Takes long.
    fn status(&self) -> Value;
    /// The route whose answers are kept that has this template.
    fn cacheable_route(&self, template: &str) -> Option<Route>;
    /// Purges, and gives how many parts were held of it. Takes long.
    fn purge(&self, purge: &Purge) -> u64;
    /// What would become of a request. Takes long.
    fn explain(&self, asked: &[u8]) -> Response;
    /// Counts a wrong admin token from an address; says how long to wait if there were too many.
    fn wrong_token(&self, from: IpAddr) -> Result<(), Duration>;
    /// Counts an answer of 500.
    fn note_internal_error(&self);
    /// Reads the configuration again: the settings that need a restart, or why it was not taken over.
    fn reload(&self) -> BoxFuture<'static, Result<Vec<String>, NotReloaded>>;
}

/// What holds is what held before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotReloaded {
    /// It is being read already.
    UnderWay,
    /// Why it was refused: each fault by itself.
    Refused(Vec<String>),
}

/// Something that can be asked for.
#[derive(Clone, Copy)]
enum Page {
    File(File),
    Events,
    Liveness,
    Readiness,
    Metrics,
    Callers,
    Status,
    Explain,
    LogFilter,
    Act(Act),
}

impl Page {
    fn find(path: &str) -> Option<Self> {
        Some(match path {
            "/livez" => Self::Liveness,
            "/readyz" => Self::Readiness,
            "/metrics" => Self::Metrics,
            "/admin/callers" => Self::Callers,
            "/admin/status" => Self::Status,
            "/admin/events" => Self::Events,
            "/admin/cache/purge" => Self::Act(Act::Purge),
            "/admin/cache/explain" => Self::Explain,
            "/admin/reload" => Self::Act(Act::Reload),
            "/admin/log-filter" => Self::LogFilter,
            path => return File::find(path).map(Self::File),
        })
    }

    /// As `Allow` tells them.
    fn allow(self) -> &'static str {
        match self {
            Self::File(_) | Self::Liveness | Self::Readiness | Self::Metrics | Self::Callers | Self::Status => {
                "GET,HEAD"
            }
            // Its answer has no end, so that there is nothing to say of it beforehand.
            Self::Events => "GET",
            Self::Explain | Self::Act(_) => "POST",
            Self::LogFilter => "GET,HEAD,PUT",
        }
    }

    fn takes(self, method: &Method) -> bool {
        self.allow().split(',').any(|allowed| allowed == method.as_str())
    }
}

impl Admin {
    /// `token` is `admin.token`; where it is empty, nothing is asked for.
    pub fn new(token: Secret, operator: Arc<dyn Operator>, live: Arc<Live>, clock: SharedClock) -> Self {
        Self { token, operator, live, clock, acting: Arc::new(Semaphore::new(actions::MOST_ACTING)) }
    }

    /// Answers a request. Everything but the health checks is for who may operate.
    /// `from` is the address that a wrong token is counted against; `id` is the request's.
    pub async fn answer(&self, request: Request, from: IpAddr, id: HeaderValue) -> Response {
        let id_text = id.to_str().unwrap_or("-");
        // As for callers: a panic is one request's 500, and its message stays unread.
        let worked_on = AssertUnwindSafe(self.work_on(request, from, id_text)).catch_unwind().await;
        let response = match worked_on.unwrap_or_else(|_| Err(Problem::internal())) {
            Ok(response) => response,
            Err(problem) => problem.render(id_text),
        };
        if response.status() == StatusCode::INTERNAL_SERVER_ERROR {
            self.operator.note_internal_error();
        }
        finished(response, id)
    }

    /// Refuses what is not to be looked at, nor what comes behind it; `detail` says what to do.
    pub fn refuse(&self, detail: &str, id: HeaderValue) -> Response {
        let mut response = Problem::invalid(detail).render(id.to_str().unwrap_or("-"));
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        finished(response, id)
    }

    async fn work_on(&self, request: Request, from: IpAddr, id: &str) -> Result<Response, Problem> {
        let (head, body) = request.into_parts();
        let page = Page::find(head.uri.path());
        let access = match page {
            Some(Page::Liveness | Page::Readiness) => None,
            Some(Page::File(_)) => Some(Access::File),
            Some(Page::Events) => Some(Access::Act),
            _ => Some(Access::by(&head.method)),
        };
        if let Some(access) = access {
            let admitted = guard::admit(&self.token, access, &head.uri, &head.headers);
            admitted.map_err(|refusal| match refusal {
                Refusal::Other(problem) => problem,
                Refusal::WrongToken => match self.operator.wrong_token(from) {
                    Ok(()) => Problem::wrong_token(),
                    Err(wait) => Problem::too_many_wrong_tokens(wait),
                },
            })?;
        }
        let page = page.ok_or_else(|| Problem::not_found("There is no such path here; docs/admin.md lists them."))?;
        if !page.takes(&head.method) {
            return Err(Problem::method_not_allowed(page.allow()));
        }
        let operator = &self.operator;
        match page {
            Page::File(file) => Ok(file.answer()),
            Page::Events => self.live.view().ok_or_else(Problem::too_many_viewers),
            Page::Liveness => Ok("alive\n".into_response()),
            Page::Readiness => {
                let readiness = operator.readiness();
                let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
                Ok((status, Json(readiness)).into_response())
            }
            Page::Metrics => Ok(exposition::answer(operator.metrics(), &head.headers)),
            Page::Callers => Ok(Json(json!({ "callers": callers(operator.as_ref()) })).into_response()),
            Page::Status => actions::status(operator).await,
            Page::Explain => actions::explain(operator, self.read(&head.headers, body).await?).await,
            Page::LogFilter if head.method == Method::PUT => {
                Ok(self.carry_out(Act::LogFilter, &head.headers, body, from, id).await)
            }
            Page::LogFilter => Ok(actions::get_log_filter()),
            Page::Act(act) => Ok(self.carry_out(act, &head.headers, body, from, id).await),
        }
    }
}

/// With the headers that every answer has.
fn finished(mut response: Response, id: HeaderValue) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert("x-request-id", id);
    response
}

/// Who may call, and when each last did: a key that nobody uses can go.
fn callers(operator: &dyn Operator) -> Vec<Value> {
    let caller = |caller: &Arc<Caller>| {
        json!({
            "name": caller.name.as_str(),
            "enabled": caller.enabled(),
            "expires": caller.expires().map(|at| at.to_string()),
            "scopes": caller.scopes().iter().map(|scope| scope.as_str()).collect::<Vec<_>>(),
            "lastUsed": caller.last_used().map(|at| at.to_string()),
        })
    };
    operator.callers().iter().map(caller).collect()
}
