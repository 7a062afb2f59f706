//! What sends spans to the collector (OTLP 1.9, section "OTLP/HTTP").

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use reqwest::{Client, header::CONTENT_TYPE, redirect::Policy};

use super::{TracesError, counts::DroppedFor, encode, queue::Queue};
use crate::{
    clock::{SharedClock, before},
    telemetry::{Metrics, events},
};

/// How long spans wait for others to be sent with them.
const GATHER: Duration = Duration::from_secs(5);
/// How long the collector may take for one export.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How often the same export is tried, [`GATHER`] apart.
const MOST_TRIES: u32 = 3;
/// Of its answer no more is read: it says little.
const MOST_ANSWER: usize = 64 * 1024;

/// What sends spans, to be run as one task.
pub struct Exporter(Option<Running>);

struct Running {
    queue: Arc<Queue>,
    client: Client,
    url: String,
    clock: SharedClock,
    metrics: Arc<Metrics>,
    export: Option<Export>,
    /// Whether the last try failed: each change is logged, not each try.
    failing: bool,
}

/// Spans on their way.
struct Export {
    body: Bytes,
    spans: u64,
    tries: u32,
}

/// Why an export was not taken.
#[derive(Debug, thiserror::Error)]
enum NotTaken {
    #[error("no answer came in time")]
    Timeout,
    #[error("no connection, or none that held")]
    Unreachable,
    #[error("the status is {0}")]
    Status(u16),
}

impl NotTaken {
    /// Whether the same export may be taken later (OTLP/HTTP, "Retryable Response Codes").
    fn may_pass(&self) -> bool {
        match self {
            Self::Timeout | Self::Unreachable => true,
            Self::Status(status) => matches!(status, 429 | 502 | 503 | 504),
        }
    }

    fn reason(&self) -> DroppedFor {
        if self.may_pass() { DroppedFor::Unreachable } else { DroppedFor::Refused }
    }
}

impl Exporter {
    /// Has nothing to send.
    pub(super) fn nowhere() -> Self {
        Self(None)
    }

    pub(super) fn new(
        endpoint: &str,
        queue: Arc<Queue>,
        clock: SharedClock,
        metrics: Arc<Metrics>,
    ) -> Result<Self, TracesError> {
        let builder = Client::builder()
            .user_agent(concat!("wesal-gateway/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .referer(false)
            // The environment's proxy variables are not ours to obey.
            .no_proxy()
            .retry(reqwest::retry::never())
            .connect_timeout(TIMEOUT);
        // Without TLS no root certificates are needed, and a bare container has none.
        let builder = if endpoint.starts_with("http://") { builder.tls_certs_only([]) } else { builder };
        let client = builder.build().map_err(|error| TracesError(error.to_string()))?;
        let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
        Ok(Self(Some(Running { queue, client, url, clock, metrics, export: None, failing: false })))
    }

    /// Sends spans until `end`, and then what is left, each export once: whoever ends it bounds how long that takes.
    pub async fn run(self, end: impl Future<Output = ()>) {
        let Some(mut running) = self.0 else { return };
        let mut end = pin!(end);
        let mut ending = false;
        while !ending {
            tokio::select! {
                biased;
                () = &mut end => ending = true,
                () = running.queue.full.notified() => {}
                () = running.clock.sleep(GATHER) => {}
            }
            // An export that hangs does not hold up the end: it is left, and tried once more.
            tokio::select! {
                biased;
                () = &mut end, if !ending => ending = true,
                () = running.send_all(ending) => continue,
            }
            running.send_all(true).await;
        }
    }
}

impl Running {
    /// Sends all that waits. What is not taken, but may be later, is kept for the next time, unless this is the last.
    async fn send_all(&mut self, last: bool) {
        loop {
            let Some(export) = self.export.take().or_else(|| Export::of(&self.queue)) else { return };
            let export = self.export.insert(Export { tries: export.tries + 1, ..export });
            let (body, spans, tries) = (export.body.clone(), export.spans, export.tries);
            let sent =
                before(self.clock.as_ref(), self.clock.now().after(TIMEOUT), send(&self.client, &self.url, body));
            match sent.await.unwrap_or(Err(NotTaken::Timeout)) {
                Ok(rejected) => {
                    let rejected = rejected.min(spans);
                    self.metrics.spans.exported(spans - rejected);
                    self.metrics.spans.dropped(DroppedFor::Refused, rejected);
                    if std::mem::take(&mut self.failing) {
                        events::traces_taken();
                    }
                }
                Err(why) => {
                    if !std::mem::replace(&mut self.failing, true) {
                        events::traces_not_taken(&why);
                    }
                    if why.may_pass() && tries < MOST_TRIES && !last {
                        return;
                    }
                    self.metrics.spans.dropped(why.reason(), spans);
                }
            }
            self.export = None;
        }
    }
}

impl Export {
    fn of(queue: &Queue) -> Option<Self> {
        let spans = queue.take();
        let count = u64::try_from(spans.len()).unwrap_or(u64::MAX);
        (count > 0).then(|| Self { body: encode::export(spans).into(), spans: count, tries: 0 })
    }
}

/// Sends one export; gives how many of its spans the collector does not want.
async fn send(client: &Client, url: &str, body: Bytes) -> Result<u64, NotTaken> {
    let request = client.post(url).header(CONTENT_TYPE, "application/x-protobuf").body(body);
    let mut response = request.send().await.map_err(|_| NotTaken::Unreachable)?;
    let status = response.status();
    if !status.is_success() {
        return Err(NotTaken::Status(status.as_u16()));
    }
    let mut answer = BytesMut::new();
    // It was taken, whatever becomes of the rest of the answer.
    while let Ok(Some(chunk)) = response.chunk().await {
        if answer.len() + chunk.len() > MOST_ANSWER {
            return Ok(0);
        }
        answer.extend_from_slice(&chunk);
    }
    let partial = ExportTraceServiceResponse::decode(answer.freeze()).ok().and_then(|answer| answer.partial_success);
    Ok(partial.and_then(|partial| u64::try_from(partial.rejected_spans).ok()).unwrap_or(0))
}
