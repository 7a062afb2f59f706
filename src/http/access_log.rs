//! One event a request, when it is answered (CONTRACT, section 10).

use std::time::Duration;

use axum::http::{Extensions, HeaderValue, Method, StatusCode};

use super::{admit::Admitted, code::Code};
use crate::{
    fetch::Found,
    telemetry::events::{self, Request},
    upstream::Effort,
};

/// What is known when a request is answered. The rest stands among the response's extensions.
pub(super) struct Line<'a> {
    pub(super) request_id: &'a HeaderValue,
    pub(super) method: &'a Method,
    pub(super) status: StatusCode,
    pub(super) code: Option<Code>,
    pub(super) time: Duration,
    pub(super) extensions: &'a Extensions,
}

/// The route's template, as a response extension.
#[derive(Clone, Copy)]
pub(super) struct Template(pub(super) &'static str);

/// Where the answer came from and what it cost, as a response extension.
#[derive(Clone, Copy)]
pub(super) struct Tally {
    pub(super) found: Option<Found>,
    pub(super) effort: Effort,
}

/// Writes the event.
pub(super) fn write(line: &Line<'_>) {
    let tally = line.extensions.get::<Tally>();
    let effort = tally.map(|tally| tally.effort).unwrap_or_default();
    let cache = match tally.and_then(|tally| tally.found) {
        None => "none",
        Some(Found::Hit { .. }) => "hit",
        Some(Found::StaleWhileRevalidate { .. } | Found::StaleIfError { .. }) => "stale",
        Some(Found::Fetched { .. }) => "miss",
    };
    events::request(&Request {
        request_id: line.request_id.to_str().unwrap_or("-"),
        caller: line.extensions.get::<Admitted>().map_or("-", |caller| caller.name.as_str()),
        method: standard(line.method),
        route: line.extensions.get::<Template>().map_or("other", |template| template.0),
        status: line.status.as_u16(),
        code: line.code.map_or("-", Code::as_str),
        cache,
        vendor_calls: effort.calls,
        vendor_time: effort.time,
        time: line.time,
    });
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
