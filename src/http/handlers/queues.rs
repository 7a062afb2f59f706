use axum::{extract::Request, response::Response};

use super::cached::{parse_post, respond_post};
use crate::{
    http::{
        context::RequestContext,
        extract::{Fields, Form, readers},
        problem::Problem,
    },
    model::{Figures, QueuesQuery, Route, Subject},
};

/// `POST /analytics/runtime/queues/summary` and `…/activity`, and `POST /analytics/queues/performance`, as `route` says.
pub(crate) async fn query_queues(route: Route, context: RequestContext, request: Request) -> Result<Response, Problem> {
    let state = context.state();
    let (head, body) = request.into_parts();
    let max_queues = context.admission()?.snapshot.max_queues;
    let subject = |fields: &mut Fields| subject(route, max_queues, fields);
    let query = parse_post(state, (route, max_queues), &head, body, subject).await?;
    respond_post(&context, &query, head).await
}

/// What a body asks for; the fields are those of the reference. `most` queues may be named at once.
pub(crate) fn subject(route: Route, most: usize, form: &mut impl Form) -> Option<Subject> {
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
