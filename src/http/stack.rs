//! The layers around every request of the public listener, outermost first:
//!
//! 1. [`answer`]: the request's id, the bound on requests in flight, the end of the process; writes every problem's
//!    document and the log line. Outermost, so that nothing leaves without them.
//! 2. catch-panic: a panic is one request's 500.
//! 3. the router; around each mirrored route [`admit`](super::admit), and catch-panic once more inside it.

use std::{any::Any, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    http::header,
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use tower_http::catch_panic::CatchPanicLayer;

use super::{
    access_log,
    app::{App, Phase},
    code::Code,
    problem::{self, Problem},
    request_id::{X_REQUEST_ID, request_id},
};
use crate::telemetry::events;

/// Puts the layers around `router`.
pub(super) fn answered(router: Router, app: &Arc<App>) -> Router {
    router.layer(CatchPanicLayer::custom(note_panic)).layer(from_fn_with_state(Arc::clone(app), answer))
}

/// A panic's answer. Its message stays unread: it can hold anything.
pub(super) fn note_panic(_: Box<dyn Any + Send>) -> Response {
    events::request_panicked();
    Problem::internal().into_response()
}

async fn answer(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let began = app.clock.now();
    let id = request_id(request.headers());
    let method = request.method().clone();

    // A busy gateway must not be taken for a dead one.
    let is_health = matches!(request.uri().path(), "/livez" | "/readyz");
    let permit = (!is_health).then(|| app.in_flight.try_acquire());
    let response = match permit {
        Some(Err(_)) => Problem::overloaded().into_response(),
        _permit => tokio::select! {
            biased;
            response = next.run(request) => response,
            () = app.ended() => {
                Problem::new(Code::ShuttingDown, "The gateway is ending. Send the request again.")
                    .retry_after(std::time::Duration::from_secs(1))
                    .into_response()
            }
        },
    };

    let problem = response.extensions().get::<Arc<Problem>>().cloned();
    let mut response = match &problem {
        Some(problem) => problem::render(problem, id.to_str().unwrap_or("-"), response),
        None => response,
    };
    access_log::write(&access_log::Line {
        request_id: &id,
        method: &method,
        status: response.status(),
        code: problem.as_deref().map(|problem| problem.code),
        time: app.clock.now().since(began),
        extensions: response.extensions(),
    });
    response.headers_mut().insert(X_REQUEST_ID, id);
    if app.phase() > Phase::Serving {
        response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    }
    response
}
