//! One log event per request (CONTRACT, section 10), with its metrics and its span.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header},
    response::Response,
};
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use super::{
    rate_limit,
    request_id::{X_REQUEST_ID, request_id},
    trace_context::traceparent,
};
use crate::{
    clock::Moment,
    fetch::{Found, Tally},
    http::{
        context::RequestContext,
        error_code::ErrorCode,
        problem::Problem,
        recent_errors::RecentError,
        state::{AppState, ClientInfo},
    },
    model::CallerName,
    telemetry::{CacheResult, events},
};

/// The status of a request whose client disconnected before the response. No client ever sees it.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// Gives each request its [`RequestContext`], and writes its log event when the response is ready, or when the client
/// disconnects before.
#[derive(Clone)]
pub(super) struct RequestLogLayer(Arc<AppState>);

impl RequestLogLayer {
    pub(super) fn new(state: &Arc<AppState>) -> Self {
        Self(Arc::clone(state))
    }
}

impl<S> Layer<S> for RequestLogLayer {
    type Service = RequestLog<S>;

    fn layer(&self, inner: S) -> RequestLog<S> {
        RequestLog { inner, state: Arc::clone(&self.0) }
    }
}

/// The service of [`RequestLogLayer`].
#[derive(Clone)]
pub(super) struct RequestLog<S> {
    inner: S,
    state: Arc<AppState>,
}

impl<S> Service<Request> for RequestLog<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let entry = Entry::start(&self.state, &request);
        request.extensions_mut().insert(entry.context.clone());
        ResponseFuture { inner: self.inner.call(request), entry: Some(entry) }
    }
}

pin_project! {
    /// The future of [`RequestLog`].
    pub(super) struct ResponseFuture<F> {
        #[pin]
        inner: F,
        entry: Option<Entry>,
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for ResponseFuture<F> {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.inner.poll(cx).map_ok(|mut response| {
            if let Some(entry) = this.entry.take() {
                entry.finish(&mut response);
            }
            response
        })
    }
}

/// The log event of a request. It is written when this is dropped.
struct Entry {
    context: RequestContext,
    request_id: HeaderValue,
    method: &'static str,
    began: Moment,
    response: Option<(StatusCode, Option<ErrorCode>)>,
}

impl Entry {
    fn start(state: &Arc<AppState>, request: &Request) -> Self {
        let began = state.clock.now();
        // The connection inserts it.
        let client = request.extensions().get::<Arc<ClientInfo>>().cloned().unwrap_or_default();
        let span = state.traces.request(traceparent(request.headers()));
        Self {
            context: RequestContext::new(Arc::clone(state), client, span),
            request_id: request_id(request.headers()),
            method: method_label(request.method()),
            began,
            response: None,
        }
    }

    /// Writes the problem document and the headers that every response has, and records the response.
    fn finish(mut self, response: &mut Response) {
        let problem = response.extensions_mut().remove::<Problem>();
        if let Some(problem) = &problem {
            problem.write(self.request_id.to_str().unwrap_or("-"), response);
        }
        self.response = Some((response.status(), problem.map(|problem| problem.code)));
        if response.status() == StatusCode::NOT_MODIFIED {
            // axum sets that of the empty body; it would be that of the representation (RFC 9110, section 8.6).
            response.headers_mut().remove(header::CONTENT_LENGTH);
        }
        response.headers_mut().insert(X_REQUEST_ID, self.request_id.clone());
        let mut facts = self.context.facts();
        facts.permit = None;
        if let Some((policy, decision)) = facts.rate_limit.take() {
            rate_limit::write_headers(policy, &decision, response.headers_mut());
        }
    }
}

fn cache_result(found: Option<Found>, parts: &Tally) -> CacheResult {
    match found {
        None => CacheResult::None,
        Some(Found::Fetched { .. }) if parts.mixed => CacheResult::Partial,
        Some(Found::Hit { .. }) => CacheResult::Hit,
        Some(Found::StaleWhileRevalidate { .. } | Found::StaleIfError { .. }) => CacheResult::Stale,
        Some(Found::Fetched { .. }) => CacheResult::Miss,
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let (status, code) = match self.response {
            Some((status, code)) => (status.as_u16(), code.map_or("-", ErrorCode::as_str)),
            None => (CLIENT_CLOSED_REQUEST, events::CALLER_LEFT),
        };
        let (state, facts) = (self.context.state(), self.context.facts());
        let route = if facts.route.is_empty() { "other" } else { facts.route };
        let cache = cache_result(facts.found, &facts.parts);
        let caller = facts.caller.as_ref().map(|caller| &caller.name);
        let time = state.clock.now().since(self.began);
        state.metrics.request(&self.context.client().counters, caller, route, status, cache, time);
        let request_id = self.request_id.to_str().unwrap_or("-");
        if self.response.is_none_or(|(_, code)| code.is_some()) {
            state.recent_errors.add(RecentError {
                at: state.clock.wall(),
                request_id: request_id.to_owned(),
                route,
                code,
                status,
                caller: caller.map_or("-", CallerName::as_str).to_owned(),
                times: 1,
            });
        }
        let span = self.context.span();
        let event = events::Request {
            request_id,
            trace_id: span.trace_id(),
            caller: caller.map_or("-", CallerName::as_str),
            method: self.method,
            route,
            status,
            code,
            cache: cache.as_str(),
            parts_hit: facts.parts.hit,
            parts_stale: facts.parts.stale,
            parts_fetched: facts.parts.fetched + facts.parts.joined,
            parts_absent: facts.parts.absent,
            vendor_calls: facts.effort.calls,
            vendor_time: facts.effort.time,
            time,
        };
        events::request(&event);
        span.end(&event);
    }
}

/// Returns a method's label. A method can be any token that a client makes up.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
