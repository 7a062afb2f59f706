//! One event a request, when it is answered (CONTRACT, section 10), its count, and its span.

use std::sync::Arc;

use axum::{
    extract::Request,
    http::{HeaderValue, Method, StatusCode},
};

use super::{
    app::{App, Peer},
    code::Code,
    recent_errors::RecentError,
    trace_context::traceparent,
};
use crate::{
    callers::Caller,
    clock::Moment,
    fetch::{Found, Served, Tally},
    limits::Standing,
    model::CallerName,
    telemetry::{events, traces::RequestSpan},
    upstream::Effort,
};

/// What is known of a request so far. Its line is written when this is dropped, so that there is one also for a request
/// whose caller left before the answer.
pub(super) struct Line<'a> {
    app: &'a App,
    peer: &'a Peer,
    request_id: &'a HeaderValue,
    method: &'static str,
    began: Moment,
    /// Its place in its trace.
    pub(super) span: RequestSpan,
    /// The path's template, or `other`.
    pub(super) template: &'static str,
    /// Who asks, once that is known.
    pub(super) caller: Option<Arc<Caller>>,
    /// The caller's limit, and how it stands after this request.
    pub(super) standing: Option<(HeaderValue, Standing)>,
    /// What the vendor calls of this request cost.
    pub(super) effort: Effort,
    found: Option<Found>,
    parts: Tally,
    answer: Option<(StatusCode, Option<Code>)>,
}

/// What stands for the status of a request that was not answered: its caller left. No caller ever sees it.
const CALLER_LEFT: u16 = 499;

impl<'a> Line<'a> {
    /// Opens a request's line.
    pub(super) fn open(
        app: &'a App,
        peer: &'a Peer,
        request_id: &'a HeaderValue,
        request: &Request,
        began: Moment,
    ) -> Self {
        Self {
            app,
            peer,
            request_id,
            method: standard(request.method()),
            began,
            span: app.traces.request(traceparent(request.headers())),
            template: "other",
            caller: None,
            standing: None,
            effort: Effort::default(),
            found: None,
            parts: Tally::default(),
            answer: None,
        }
    }

    /// Notes where the answer came from.
    pub(super) fn served(&mut self, served: &Served) {
        (self.found, self.parts, self.effort) = (Some(served.found), served.parts, served.effort);
    }

    /// Notes the answer.
    pub(super) fn answered(&mut self, status: StatusCode, code: Option<Code>) {
        self.answer = Some((status, code));
    }

    fn cache(&self) -> &'static str {
        match self.found {
            None => "none",
            Some(Found::Fetched { .. }) if self.parts.mixed => "partial",
            Some(Found::Hit { .. }) => "hit",
            Some(Found::StaleWhileRevalidate { .. } | Found::StaleIfError { .. }) => "stale",
            Some(Found::Fetched { .. }) => "miss",
        }
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let (status, code) = match self.answer {
            Some((status, code)) => (status.as_u16(), code.map_or("-", Code::as_str)),
            None => (CALLER_LEFT, events::CALLER_LEFT),
        };
        let caller = self.caller.as_ref().map(|caller| &caller.name);
        let time = self.app.clock.now().since(self.began);
        self.app.metrics.request(&self.peer.counters, caller, self.template, status, self.cache(), time);
        let request_id = self.request_id.to_str().unwrap_or("-");
        if self.answer.is_none_or(|(_, code)| code.is_some()) {
            self.app.recent_errors.add(RecentError {
                at: self.app.clock.wall(),
                request_id: request_id.to_owned(),
                route: self.template,
                code,
                status,
                caller: caller.map_or("-", CallerName::as_str).to_owned(),
                times: 1,
            });
        }
        let told = events::Request {
            request_id,
            trace_id: self.span.trace_id(),
            caller: caller.map_or("-", CallerName::as_str),
            method: self.method,
            route: self.template,
            status,
            code,
            cache: self.cache(),
            parts_hit: self.parts.hit,
            parts_stale: self.parts.stale,
            parts_fetched: self.parts.fetched + self.parts.joined,
            parts_absent: self.parts.absent,
            vendor_calls: self.effort.calls,
            vendor_time: self.effort.time,
            time,
        };
        events::request(&told);
        self.span.end(&told);
    }
}

/// A method can be any token that a caller makes up.
fn standard(method: &Method) -> &'static str {
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
