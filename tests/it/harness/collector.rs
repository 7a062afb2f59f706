use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse},
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// What spans are sent to: it takes them by OTLP over HTTP, on a real socket, and keeps them.
pub struct Collector {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

/// One export, as it came.
#[derive(Clone)]
pub struct Export {
    pub headers: HeaderMap,
    pub body: Bytes,
}

#[derive(Default)]
struct Shared {
    exports: watch::Sender<Vec<Export>>,
    /// What it answers, and how many spans it says it does not want.
    mood: watch::Sender<(u16, i64)>,
    held: watch::Sender<bool>,
}

async fn take(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> (StatusCode, Vec<u8>) {
    shared.exports.send_modify(|exports| exports.push(Export { headers, body }));
    shared.held.subscribe().wait_for(|held| !held).await.unwrap();
    let (status, rejected_spans) = *shared.mood.borrow();
    let partial_success = ExportTracePartialSuccess { rejected_spans, error_message: String::new() };
    let answer = ExportTraceServiceResponse { partial_success: (rejected_spans > 0).then_some(partial_success) };
    (StatusCode::from_u16(status).unwrap(), answer.encode_to_vec())
}

impl Collector {
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        shared.mood.send_replace((200, 0));
        let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
        Self { address, shared, serving }
    }

    /// For `telemetry.otlp_endpoint`.
    pub fn endpoint(&self) -> Option<String> {
        Some(format!("http://{}", self.address))
    }

    /// From now on it answers so, and says that it does not want so many spans.
    pub fn answers(&self, status: u16, rejected_spans: i64) {
        self.shared.mood.send_replace((status, rejected_spans));
    }

    /// From now on it does not answer.
    pub fn hangs(&self) {
        self.shared.held.send_replace(true);
    }

    /// Every export so far, also what it did not answer.
    pub fn exports(&self) -> Vec<Export> {
        self.shared.exports.borrow().clone()
    }

    /// Every span of them.
    pub fn spans(&self) -> Vec<Span> {
        self.exports().iter().flat_map(Export::spans).collect()
    }

    /// The one span of this name.
    pub fn span(&self, name: &str) -> Span {
        let mut spans = self.spans();
        spans.retain(|span| span.name == name);
        assert_eq!(spans.len(), 1, "spans of the name {name:?}: {:?}", self.spans());
        spans.remove(0)
    }
}

impl Export {
    pub fn decode(&self) -> ExportTraceServiceRequest {
        ExportTraceServiceRequest::decode(self.body.clone()).unwrap()
    }

    fn spans(&self) -> Vec<Span> {
        let resources = self.decode().resource_spans.into_iter();
        resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
    }
}

/// An attribute as text; empty if it is not there.
pub fn attribute(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|found| found.value.clone()?.value) {
        None => String::new(),
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(other) => panic!("{key} is {other:?}"),
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
