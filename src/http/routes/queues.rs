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

/// `POST /analytics/runtime/queues/summary`
pub(in crate::http) async fn query_queue_summary(
    app: &App,
    caller: &Caller,
    head: &Parts,
    body: Body,
    line: &mut Line<'_>,
) -> Result<Response, Problem> {
    query_queues(app, caller, Route::QueueSummary, head, body, line, |_| Some(Figures::Summary)).await
}

/// `POST /analytics/runtime/queues/activity`
pub(in crate::http) async fn query_queue_activity(
    app: &App,
    caller: &Caller,
    head: &Parts,
    body: Body,
    line: &mut Line<'_>,
) -> Result<Response, Problem> {
    query_queues(app, caller, Route::QueueActivity, head, body, line, |_| Some(Figures::Activity)).await
}

/// `POST /analytics/queues/performance`
pub(in crate::http) async fn query_queue_performance(
    app: &App,
    caller: &Caller,
    head: &Parts,
    body: Body,
    line: &mut Line<'_>,
) -> Result<Response, Problem> {
    let figures = |fields: &mut Fields| {
        let interval = fields.required("interval", readers::interval);
        let partial = fields.optional("partial", readers::boolean);
        Some(Figures::Performance { interval: interval?, partial })
    };
    query_queues(app, caller, Route::QueuePerformance, head, body, line, figures).await
}

async fn query_queues(
    app: &App,
    caller: &Caller,
    route: Route,
    head: &Parts,
    body: Body,
    line: &mut Line<'_>,
    figures: impl FnOnce(&mut Fields) -> Option<Figures>,
) -> Result<Response, Problem> {
    let subject = |fields: &mut Fields| {
        let queues = fields.required("queues", readers::queues(app.settings.max_queues));
        let figures = figures(fields);
        let extended = fields.optional("extended", readers::boolean);
        Some(Subject::Queues(QueuesQuery { figures: figures?, queues: queues?.into(), extended }))
    };
    let question = posted(app, route, head, body, subject).await?;
    answer_posted(app, caller, &question, head, line).await
}
