use axum::{body::Body, http::request::Parts, response::Response};

use super::serve::{parse_post, respond_post};
use crate::{
    callers::Caller,
    http::{
        access_log::Line,
        app::App,
        extract::{Fields, Form, readers},
        problem::Problem,
    },
    model::{Figures, QueuesQuery, Route, Subject},
};

/// `POST /analytics/runtime/queues/summary` and `…/activity`, and, where `route` is none of these,
/// `POST /analytics/queues/performance`. `max_queues` may be named at once.
pub(in crate::http) async fn query_queues(
    app: &App,
    caller: &Caller,
    (route, max_queues): (Route, usize),
    head: Parts,
    body: Body,
    line: &mut Line<'_>,
) -> Result<Response, Problem> {
    let subject = |fields: &mut Fields| subject(route, max_queues, fields);
    let query = parse_post(app, (route, max_queues), &head, body, subject).await?;
    respond_post(app, caller, &query, head, line).await
}

/// What a body asks for; the fields are those of the reference. `most` queues may be named at once.
pub(in crate::http) fn subject(route: Route, most: usize, form: &mut impl Form) -> Option<Subject> {
    let about = "The ids of the queues that are asked for, as whoever administers Wesal gives them. One that stands there \
                 twice is answered once.";
    let queues = form.required("queues", readers::Queues(most), about);
    let figures = match route {
        Route::QueueSummary => Some(Figures::Summary),
        Route::QueueActivity => Some(Figures::Activity),
        _ => performance(form),
    };
    let extended = form.optional("extended", readers::Boolean, super::EXTENDED);
    Some(Subject::Queues(QueuesQuery { figures: figures?, queues: queues?.into(), extended }))
}

fn performance(form: &mut impl Form) -> Option<Figures> {
    let about = "From when to when: two RFC 3339 instants with one `/` between them, the second at least a millisecond \
                 after the first. Wesal is asked in UTC, to the millisecond.";
    let interval = form.required("interval", readers::Span, about);
    let about = "Whether the interval is answered in blocks of 30 minutes.";
    let partial = form.optional("partial", readers::Boolean, about);
    Some(Figures::Performance { interval: interval?, partial })
}
