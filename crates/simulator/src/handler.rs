//! One call from its arrival to its answer.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;

use super::call_history::Recorded;
use super::envelope::{Refusal, SimResponse, codeless, respond};
use super::fault_injection;
use super::faults::Fault;
use super::route::Route;
use super::state::{Decision, Inner};

/// The largest body that is read: 1 MiB.
const LARGEST: usize = 1024 * 1024;

/// The header by which a call asks for a fault.
const FAULT_HEADER: &str = "x-simulate-fault";

/// The body of a success, or the refusal.
pub(crate) type Handler = fn(&Inner, &SimRequest) -> Result<String, Refusal>;

/// What a route's answer is made from.
pub(crate) struct SimRequest {
    pub(crate) route: Route,
    /// The path, without the query.
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) fault: Option<Fault>,
}

impl SimRequest {
    /// A header's value, if it is there and is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The token in `Authorization`: bare, or after the scheme that is wanted.
    pub(crate) fn token(&self, scheme: Option<&str>) -> Option<&str> {
        let value = self.header(header::AUTHORIZATION.as_str())?;
        match scheme {
            None => Some(value),
            Some(scheme) => value.strip_prefix(scheme)?.strip_prefix(' '),
        }
    }
}

/// Counts as in flight while it lives.
struct InFlight(Arc<Inner>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.state().history.leave();
    }
}

/// Takes a call: record, block, latency, answer, fault.
pub(crate) async fn handle(inner: Arc<Inner>, route: Route, handler: Handler, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST).await else {
        return codeless(StatusCode::PAYLOAD_TOO_LARGE, "request entity too large");
    };
    let asked = match asked_fault(&head.headers) {
        Ok(asked) => asked,
        Err(why) => return respond(StatusCode::BAD_REQUEST, "text/plain; charset=utf-8", why),
    };
    let recorded = Recorded::new(head.method, head.uri.to_string(), &head.headers, body.clone());
    let decision = inner.on_request(route, recorded, asked);
    let _in_flight = InFlight(Arc::clone(&inner));
    wait(&inner, &decision).await;
    let path = head.uri.path().to_owned();
    let query = head.uri.query().map(str::to_owned);
    let call = SimRequest { route, path, query, headers: head.headers, body, fault: decision.fault };
    match decision.fault.and_then(|fault| fault_injection::replace_response(fault, route)) {
        Some(response) => {
            if decision.fault == Some(Fault::TokenDead) {
                invalidate_token(&inner, &call);
            }
            response
        }
        None => fault_injection::corrupt_response(
            decision.fault,
            respond_to(&inner, handler, &call),
            inner.closing.subscribe(),
        ),
    }
}

fn asked_fault(headers: &HeaderMap) -> Result<Option<Fault>, String> {
    let Some(name) = headers.get(FAULT_HEADER) else { return Ok(None) };
    let name = String::from_utf8_lossy(name.as_bytes());
    name.parse().map(Some).map_err(|error: super::faults::FaultError| error.to_string())
}

/// Waits for blocks and for the latency, and for ever if the call is to hang; a closing server ends it all.
async fn wait(inner: &Inner, decision: &Decision) {
    let mut closing = inner.closing.subscribe();
    let mut blocks = inner.blocks.subscribe();
    let waiting = async {
        // The sender lives in `inner`, so this cannot fail.
        let _ = blocks.wait_for(|blocks| !decision.blocked_by.iter().any(|block| blocks.contains_key(block))).await;
        if !decision.latency.is_zero() {
            tokio::time::sleep(decision.latency).await;
        }
        if decision.fault == Some(Fault::Hang) {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = waiting => {}
        _ = closing.changed() => {}
    }
}

fn invalidate_token(inner: &Inner, call: &SimRequest) {
    let mut state = inner.state();
    if let Some(token) = call.token(state.scheme.as_deref()) {
        state.tokens.revoke(token);
    }
}

fn respond_to(inner: &Inner, handler: Handler, call: &SimRequest) -> SimResponse {
    match authenticate(inner, call).and_then(|()| handler(inner, call)) {
        Ok(body) => {
            let own = inner.state().answers.get(&call.route).cloned();
            SimResponse { status: StatusCode::OK, body: own.unwrap_or_else(|| body.into()) }
        }
        Err(refusal) => refusal.answer(call.route),
    }
}

/// Credentials come before anything in the body.
fn authenticate(inner: &Inner, call: &SimRequest) -> Result<(), Refusal> {
    let now = inner.now() / 1000;
    let mut state = inner.state();
    if call.route.takes_client_id() {
        if call.header("x-client-id") == Some(&state.account.credentials().client_id) {
            return Ok(());
        }
        if call.route == Route::Login {
            state.history.logins_refused += 1;
        }
        return Err(Refusal::Key);
    }
    let token = call.token(state.scheme.as_deref()).ok_or(Refusal::Token)?;
    if state.tokens.is_live(token, now) { Ok(()) } else { Err(Refusal::Token) }
}
