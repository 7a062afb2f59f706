//! The layers around every request of the public listener, outermost first:
//!
//! 1. `answer`: the request's id, the end of the process; writes every problem's document and the log line.
//!    Outermost, so that nothing leaves without them.
//! 2. catch-panic: a panic is one request's 500.
//! 3. the router; around each mirrored route `admit`, which also bounds the requests in flight, and
//!    catch-panic once more inside it. Health checks stay outside the bound: a busy gateway is not a dead one.

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
    app::{App, Lifecycle},
    code::Code,
    problem::{self, Problem},
    request_id::{X_REQUEST_ID, request_id},
};

/// Puts the layers around `router`.
pub(super) fn answered(router: Router, app: &Arc<App>) -> Router {
    router.layer(CatchPanicLayer::custom(note_panic)).layer(from_fn_with_state(Arc::clone(app), answer))
}

/// A panic's answer. It was logged where it arose; its message can hold anything, and stays unread.
pub(super) fn note_panic(_: Box<dyn Any + Send>) -> Response {
    Problem::internal().into_response()
}

async fn answer(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let began = app.clock.now();
    let id = request_id(request.headers());
    let mut line = access_log::Line::open(&app, &id, request.method(), began);

    let response = tokio::select! {
        biased;
        response = next.run(request) => response,
        () = app.ended() => {
            Problem::new(Code::ShuttingDown, "The gateway is ending. Send the request again.")
                .retry_after(std::time::Duration::from_secs(1))
                .into_response()
        }
    };

    let problem = response.extensions().get::<Arc<Problem>>().cloned();
    let mut response = match &problem {
        Some(problem) => problem::render(problem, id.to_str().unwrap_or("-"), response),
        None => response,
    };
    line.answered(response.status(), problem.as_deref().map(|problem| problem.code), response.extensions());
    drop(line);
    response.headers_mut().insert(X_REQUEST_ID, id);
    if app.lifecycle() > Lifecycle::Serving {
        response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    }
    response
}
