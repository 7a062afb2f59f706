use axum::{body::Body, http::request::Parts, response::Response};

use super::serve::{answer_posted, posted};
use crate::{
    callers::Caller,
    http::{
        access_log::Line,
        app::App,
        extract::{Fields, readers},
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
    head: &Parts,
    body: Body,
    line: &mut Line<'_>,
) -> Result<Response, Problem> {
    let subject = |fields: &mut Fields| subject(route, max_queues, fields);
    let question = posted(app, (route, max_queues), head, body, subject).await?;
    answer_posted(app, caller, &question, head, line).await
}

/// `most` queues may be named at once.
pub(super) fn subject(route: Route, most: usize, fields: &mut Fields) -> Option<Subject> {
    let queues = fields.required("queues", readers::queues(most));
    let figures = match route {
        Route::QueueSummary => Some(Figures::Summary),
        Route::QueueActivity => Some(Figures::Activity),
        _ => performance(fields),
    };
    let extended = fields.optional("extended", readers::boolean);
    Some(Subject::Queues(QueuesQuery { figures: figures?, queues: queues?.into(), extended }))
}

fn performance(fields: &mut Fields) -> Option<Figures> {
    let interval = fields.required("interval", readers::interval);
    let partial = fields.optional("partial", readers::boolean);
    Some(Figures::Performance { interval: interval?, partial })
}
