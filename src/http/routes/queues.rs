use std::sync::Arc;

use axum::{
    Extension,
    extract::{Request, State},
    response::Response,
};

use super::serve::{answer_posted, demand_of, posted};
use crate::{
    http::{
        admit::Admitted,
        app::App,
        extract::{Fields, readers},
    },
    model::{Figures, QueuesQuery, Subject},
};

/// `POST /analytics/runtime/queues/summary`
pub(in crate::http) async fn query_queue_summary(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Admitted>,
    request: Request,
) -> Response {
    query_queues(&app, &caller, request, |_| Some(Figures::Summary)).await
}

/// `POST /analytics/runtime/queues/activity`
pub(in crate::http) async fn query_queue_activity(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Admitted>,
    request: Request,
) -> Response {
    query_queues(&app, &caller, request, |_| Some(Figures::Activity)).await
}

/// `POST /analytics/queues/performance`
pub(in crate::http) async fn query_queue_performance(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Admitted>,
    request: Request,
) -> Response {
    let figures = |fields: &mut Fields| {
        let interval = fields.required("interval", readers::interval);
        let partial = fields.optional("partial", readers::boolean);
        Some(Figures::Performance { interval: interval?, partial })
    };
    query_queues(&app, &caller, request, figures).await
}

async fn query_queues(
    app: &App,
    caller: &Admitted,
    request: Request,
    figures: impl FnOnce(&mut Fields) -> Option<Figures>,
) -> Response {
    let subject = |fields: &mut Fields| {
        let queues = fields.required("queues", readers::queues(app.settings.max_queues));
        let figures = figures(fields);
        let extended = fields.optional("extended", readers::boolean);
        Some(Subject::Queues(QueuesQuery { figures: figures?, queues: queues?.into(), extended }))
    };
    let demand = demand_of(caller, request.headers());
    let query = posted(app, request, subject).await;
    answer_posted(app, caller, query, demand).await
}
