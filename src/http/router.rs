//! The one table of what the public listener serves.

use std::sync::Arc;

use axum::{
    Router,
    middleware::from_fn_with_state,
    routing::{MethodRouter, get, post},
};
use tower_http::catch_panic::CatchPanicLayer;

use super::{
    admit::admit,
    app::App,
    code::Code,
    problem::Problem,
    routes::{auth, health, organization, questions, queues, surveys},
    stack::{answered, note_panic},
};
use crate::model::Route;

/// The public listener's service: every route, and the layers around them.
pub fn router(app: &Arc<App>) -> Router {
    let mut router =
        Router::new().route("/livez", get(health::get_liveness)).route("/readyz", get(health::get_readiness));
    let under = |path: &str| format!("{}{path}", app.settings.base_path);
    for (route, handlers) in mirrored() {
        let handlers = match route {
            // A session begins here, so there is no credential to admit by.
            Route::Login => handlers,
            _ => handlers
                // Inside, so that a panic's answer too tells the caller of its limit.
                .route_layer(CatchPanicLayer::custom(note_panic))
                .route_layer(from_fn_with_state((Arc::clone(app), route), admit)),
        };
        if route == Route::Logout {
            // The reference's example calls one path, its text the other.
            router = router.route(&under("/auth/reset_pwd"), handlers.clone());
        }
        router = router.route(&under(route.template()), handlers);
    }
    let router = router
        .fallback(async || {
            Problem::new(Code::NotFound, "There is no such path. The reference's routes stand under the base path.")
        })
        .method_not_allowed_fallback(async || Problem::new(Code::MethodNotAllowed, "Use a method that Allow names."))
        .with_state(Arc::clone(app));
    answered(router, app)
}

fn mirrored() -> [(Route, MethodRouter<Arc<App>>); 10] {
    [
        (Route::Login, post(auth::log_in)),
        (Route::Logout, get(auth::log_out)),
        (Route::Reset, post(auth::reset_password)),
        (Route::Verify, post(auth::verify_reset)),
        (Route::Organization, get(organization::get_organization)),
        (Route::Questions, get(questions::get_questions)),
        (Route::Surveys, post(surveys::query_surveys)),
        (Route::QueueSummary, post(queues::query_queue_summary)),
        (Route::QueueActivity, post(queues::query_queue_activity)),
        (Route::QueuePerformance, post(queues::query_queue_performance)),
    ]
}
