//! The path of a request from its arrival to its response.

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

/// The largest request body, in bytes.
const MAX_BODY: usize = 1024 * 1024;

/// The header that asks for a fault.
const FAULT_HEADER: &str = "x-simulate-fault";

/// Returns the body of a success, or the refusal.
pub(crate) type Handler = fn(&Inner, &SimRequest) -> Result<String, Refusal>;

/// A request, as handlers read it.
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
    /// Returns the value of a header, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the token in `Authorization`: bare, or after the expected scheme.
    pub(crate) fn token(&self, scheme: Option<&str>) -> Option<&str> {
        let value = self.header(header::AUTHORIZATION.as_str())?;
        match scheme {
            None => Some(value),
            Some(scheme) => value.strip_prefix(scheme)?.strip_prefix(' '),
        }
    }
}

/// Counts a request as in flight while it lives.
struct InFlight(Arc<Inner>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.state().history.leave();
    }
}

/// Records a request, waits as blocks and latency demand, answers it, and injects its fault.
pub(crate) async fn handle(inner: Arc<Inner>, route: Route, handler: Handler, http: Request) -> Response {
    let (head, body) = http.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return codeless(StatusCode::PAYLOAD_TOO_LARGE, "request entity too large");
    };
    let named = match named_fault(&head.headers) {
        Ok(named) => named,
        Err(why) => return respond(StatusCode::BAD_REQUEST, "text/plain; charset=utf-8", why),
    };
    let recorded = Recorded::new(head.method, head.uri.to_string(), &head.headers, body.clone());
    let decision = inner.on_request(route, recorded, named);
    let _in_flight = InFlight(Arc::clone(&inner));
    wait(&inner, &decision).await;
    let path = head.uri.path().to_owned();
    let query = head.uri.query().map(str::to_owned);
    let request = SimRequest { route, path, query, headers: head.headers, body, fault: decision.fault };
    match decision.fault.and_then(|fault| fault_injection::replace_response(fault, route)) {
        Some(response) => {
            if decision.fault == Some(Fault::TokenDead) {
                invalidate_token(&inner, &request);
            }
            response
        }
        None => fault_injection::corrupt_response(
            decision.fault,
            answer(&inner, handler, &request),
            inner.closing.subscribe(),
        ),
    }
}

fn named_fault(headers: &HeaderMap) -> Result<Option<Fault>, String> {
    let Some(name) = headers.get(FAULT_HEADER) else { return Ok(None) };
    let name = String::from_utf8_lossy(name.as_bytes());
    name.parse().map(Some).map_err(|error: super::faults::FaultError| error.to_string())
}

/// Waits for blocks and for the latency, and forever if the request is to hang. A closing server ends every wait.
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

fn invalidate_token(inner: &Inner, request: &SimRequest) {
    let mut state = inner.state();
    if let Some(token) = request.token(state.scheme.as_deref()) {
        state.tokens.revoke(token);
    }
}

fn answer(inner: &Inner, handler: Handler, request: &SimRequest) -> SimResponse {
    match authenticate(inner, request).and_then(|()| handler(inner, request)) {
        Ok(body) => {
            let own = inner.state().answers.get(&request.route).cloned();
            SimResponse { status: StatusCode::OK, body: own.unwrap_or_else(|| body.into()) }
        }
        Err(refusal) => refusal.response(request.route),
    }
}

/// Checks the credentials, which come before anything in the body.
fn authenticate(inner: &Inner, request: &SimRequest) -> Result<(), Refusal> {
    let now = inner.now() / 1000;
    let mut state = inner.state();
    if request.route.takes_client_id() {
        if request.header("x-client-id") == Some(&state.account.credentials().client_id) {
            return Ok(());
        }
        if request.route == Route::Login {
            state.history.stats.logins_refused += 1;
        }
        return Err(Refusal::Key);
    }
    let token = request.token(state.scheme.as_deref()).ok_or(Refusal::Token)?;
    if state.tokens.is_live(token, now) { Ok(()) } else { Err(Refusal::Token) }
}
