use axum::{extract::Request, response::Response};

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
    request: Request,
    line: &mut Line<'_>,
) -> Result<Response, Problem> {
    query_queues(app, caller, Route::QueueSummary, request, line, |_| Some(Figures::Summary)).await
}

/// `POST /analytics/runtime/queues/activity`
pub(in crate::http) async fn query_queue_activity(
    app: &App,
    caller: &Caller,
    request: Request,
    line: &mut Line<'_>,
) -> Result<Response, Problem> {
    query_queues(app, caller, Route::QueueActivity, request, line, |_| Some(Figures::Activity)).await
}

/// `POST /analytics/queues/performance`
pub(in crate::http) async fn query_queue_performance(
    app: &App,
    caller: &Caller,
    request: Request,
    line: &mut Line<'_>,
) -> Result<Response, Problem> {
    let figures = |fields: &mut Fields| {
        let interval = fields.required("interval", readers::interval);
        let partial = fields.optional("partial", readers::boolean);
        Some(Figures::Performance { interval: interval?, partial })
    };
    query_queues(app, caller, Route::QueuePerformance, request, line, figures).await
}

async fn query_queues(
    app: &App,
    caller: &Caller,
    route: Route,
    request: Request,
    line: &mut Line<'_>,
    figures: impl FnOnce(&mut Fields) -> Option<Figures>,
) -> Result<Response, Problem> {
    let subject = |fields: &mut Fields| {
        let queues = fields.required("queues", readers::queues(app.settings.max_queues));
        let figures = figures(fields);
        let extended = fields.optional("extended", readers::boolean);
        Some(Subject::Queues(QueuesQuery { figures: figures?, queues: queues?.into(), extended }))
    };
    let posted = posted(app, route, request, subject).await?;
    answer_posted(app, caller, &posted, line).await
}
