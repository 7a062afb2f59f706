//! What is around every request of the public listener, outermost first:
//!
//! 1. the request's id and its line: nothing leaves without them, and a caller who leaves has a line too;
//! 2. the end of the process: what is not finished then is told so;
//! 3. a panic is one request's 500;
//! 4. whether it says whom it is meant for;
//! 5. path and method; health checks end here, a busy gateway is not a dead one;
//! 6. for a mirrored route: who calls, have they asked too often, may they use it at all, is there room;
//! 7. the route's handler.
//!
//! One function, and not layers: an answer from memory costs little more than this.

use std::{panic::AssertUnwindSafe, pin::pin, time::Duration};

use axum::{
    extract::Request,
    http::{HeaderValue, header},
    response::Response,
};
use futures_util::FutureExt;

use super::{
    access_log::Line,
    admit,
    app::{App, Lifecycle, Peer},
    code::Code,
    host::{NO_HOST, names_its_host},
    problem::Problem,
    request_id::{X_REQUEST_ID, request_id},
    router::Endpoint,
    routes::{auth, docs, further, health, openapi, organization, questions, queues, surveys},
};
use crate::{callers::Identity, model::Route};

/// Answers a request from `peer`, whatever it is.
pub async fn answer(app: &App, peer: &Peer, request: Request) -> Response {
    let began = app.clock.now();
    let id = request_id(request.headers());
    let mut line = Line::open(app, peer, &id, &request, began);
    let is_addressed = names_its_host(&request);

    let outcome = {
        // Pinned before the select, which would move it once more.
        let mut worked_on = pin!(AssertUnwindSafe(work_on(app, peer, request, is_addressed, &mut line)).catch_unwind());
        tokio::select! {
            biased;
            // A panic was logged where it arose; its message can hold anything, and stays unread.
            outcome = &mut worked_on => outcome.unwrap_or_else(|_| Err(Problem::internal())),
            () = app.ended() => Err(Problem::new(Code::ShuttingDown, "The gateway is ending. Send the request again.")
                .retry_after(Duration::from_secs(1))),
        }
    };

    let code = outcome.as_ref().err().map(|problem| problem.code);
    let mut response = outcome.unwrap_or_else(|problem| problem.render(id.to_str().unwrap_or("-")));
    if let Some((policy, standing)) = line.standing.take() {
        admit::tell_limit(policy, &standing, response.headers_mut());
    }
    line.answered(response.status(), code);
    drop(line);
    response.headers_mut().insert(X_REQUEST_ID, id);
    // Behind a request that two readers may take to be for two hosts, nothing is looked at.
    if !is_addressed || app.lifecycle() > Lifecycle::Serving {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

async fn work_on(
    app: &App,
    peer: &Peer,
    request: Request,
    is_addressed: bool,
    line: &mut Line<'_>,
) -> Result<Response, Problem> {
    if !is_addressed {
        return Err(Problem::new(Code::InvalidRequest, NO_HOST));
    }
    let (head, body) = request.into_parts();
    let Some(endpoint) = app.settings.table.find(&head.method, head.uri.path()) else {
        return Err(Problem::not_found());
    };
    line.template = endpoint.template();
    if !endpoint.takes(&head.method) {
        return Err(Problem::method_not_allowed(app.settings.table.allow(head.uri.path())));
    }
    let route = match endpoint {
        Endpoint::Liveness => return Ok(health::get_liveness()),
        Endpoint::Readiness => return Ok(health::get_readiness(app)),
        Endpoint::OpenApi => return Ok(openapi::get_openapi(app, &head)),
        Endpoint::Docs(page) => return Ok(docs::get_docs(app, &head, page)),
        // A session begins here, so there is no credential to admit by.
        Endpoint::Mirrored(Route::Login) => {
            let _place = app.logins.take().ok_or_else(Problem::overloaded)?;
            return Box::pin(auth::log_in(app, peer, &head, body, line)).await;
        }
        Endpoint::Mirrored(route) => route,
    };
    let (Identity { caller, session }, _place, max_queues) = {
        // One snapshot for all rights of the request. It is released before the first await.
        let known = app.known();
        let identity = admit::authenticate(app, &known, route, peer, &head.headers, line)?;
        let place = admit::admit(app, &known, route, &identity.caller)?;
        (identity, place, known.max_queues)
    };
    match route {
        Route::Login | Route::Logout => auth::log_out(app, session.as_ref(), &head),
        // Boxed, as the log-in is: every request's future would have their size.
        Route::Reset => Box::pin(auth::reset_password(app, &head, body, line)).await,
        Route::Verify => Box::pin(auth::verify_reset(app, &head, body, line)).await,
        Route::Organization => organization::get_organization(app, &caller, head, line).await,
        Route::Questions => questions::get_questions(app, &caller, head, line).await,
        Route::Surveys => surveys::query_surveys(app, &caller, head, body, line).await,
        Route::Further(route) => further::ask_further(app, &caller, route, head, body, line).await,
        Route::QueueSummary | Route::QueueActivity | Route::QueuePerformance => {
            queues::query_queues(app, &caller, (route, max_queues), head, body, line).await
        }
    }
}
