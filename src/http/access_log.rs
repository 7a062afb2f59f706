//! One event a request, when it is answered (CONTRACT, section 10).

use axum::http::{Extensions, HeaderValue, Method, StatusCode};

use super::{admit::Admitted, app::App, code::Code};
use crate::{
    clock::Moment,
    fetch::{Found, Tally},
    model::CallerName,
    telemetry::events::{self, Request},
    upstream::Effort,
};

/// A request's line. It is written when the line is dropped, so that there is one also for a request whose caller left
/// before the answer.
pub(super) struct Line<'a> {
    app: &'a App,
    request_id: &'a HeaderValue,
    method: &'static str,
    began: Moment,
    answer: Option<Answer>,
}

struct Answer {
    status: StatusCode,
    code: Option<Code>,
    caller: Option<Admitted>,
    template: &'static str,
    provenance: Option<Provenance>,
}

/// The route's template, as a response extension.
#[derive(Clone, Copy)]
pub(super) struct Template(pub(super) &'static str);

/// Where the answer came from and what it cost, as a response extension.
#[derive(Clone, Copy)]
pub(super) struct Provenance {
    pub(super) found: Option<Found>,
    pub(super) parts: Tally,
    pub(super) effort: Effort,
}

/// What stands for the status of a request that was not answered: its caller left. No caller ever sees it.
const CALLER_LEFT: u16 = 499;

impl<'a> Line<'a> {
    /// Opens a request's line.
    pub(super) fn open(app: &'a App, request_id: &'a HeaderValue, method: &Method, began: Moment) -> Self {
        Self { app, request_id, method: standard(method), began, answer: None }
    }

    /// Notes the answer: `extensions` are the response's.
    pub(super) fn answered(&mut self, status: StatusCode, code: Option<Code>, extensions: &Extensions) {
        self.answer = Some(Answer {
            status,
            code,
            caller: extensions.get::<Admitted>().cloned(),
            template: extensions.get::<Template>().map_or("other", |template| template.0),
            provenance: extensions.get::<Provenance>().copied(),
        });
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let answer = self.answer.as_ref();
        let provenance = answer.and_then(|answer| answer.provenance);
        let effort = provenance.map(|provenance| provenance.effort).unwrap_or_default();
        let parts = provenance.map(|provenance| provenance.parts).unwrap_or_default();
        let cache = match provenance.and_then(|provenance| provenance.found) {
            None => "none",
            Some(Found::Fetched { .. }) if parts.mixed => "partial",
            Some(Found::Hit { .. }) => "hit",
            Some(Found::StaleWhileRevalidate { .. } | Found::StaleIfError { .. }) => "stale",
            Some(Found::Fetched { .. }) => "miss",
        };
        let code = match answer {
            Some(answer) => answer.code.map_or("-", Code::as_str),
            None => "caller_left",
        };
        let status = answer.map_or(CALLER_LEFT, |answer| answer.status.as_u16());
        let route = answer.map_or("other", |answer| answer.template);
        let caller = answer.and_then(|answer| answer.caller.as_ref()).map(|caller| &caller.name);
        let time = self.app.clock.now().since(self.began);
        self.app.metrics.request(caller, route, status, cache, time);
        events::request(&Request {
            request_id: self.request_id.to_str().unwrap_or("-"),
            caller: caller.map_or("-", CallerName::as_str),
            method: self.method,
            route,
            status,
            code,
            cache,
            parts_hit: parts.hit,
            parts_stale: parts.stale,
            parts_fetched: parts.fetched + parts.joined,
            parts_absent: parts.absent,
            vendor_calls: effort.calls,
            vendor_time: effort.time,
            time,
        });
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
