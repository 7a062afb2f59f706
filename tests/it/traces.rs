//! Traces, as a collector gets them (CONTRACT, section 10): real exports on a real socket, decoded.

use std::sync::Mutex;

use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use tokio::net::TcpSocket;
use wesal_gateway::server::Drained;
use wesal_simulator::Fault;

use crate::harness::{Collector, Setup, World, attribute, log, secs};

const ORGANIZATION: &str = "/queries/organization";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const OTHER_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLERS_SPAN: &str = "00f067aa0ba902b7";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn traced(endpoint: Option<String>, change: impl FnOnce(&mut Setup)) -> World {
    let mut setup = Setup::default();
    setup.config.telemetry.otlp_endpoint = endpoint;
    change(&mut setup);
    let world = setup.start().await;
    world.logged_in().await;
    world
}

fn with_trace(world: &World, trace: &str, flags: &str) -> reqwest::RequestBuilder {
    let request = world.request("GET", ORGANIZATION).header("authorization", world.key());
    request.header("traceparent", format!("00-{trace}-{CALLERS_SPAN}-{flags}"))
}

/// The trace ids of the log's request lines.
fn logged_traces(log: &Mutex<Vec<u8>>) -> Vec<String> {
    let text = String::from_utf8(log.lock().unwrap().clone()).unwrap();
    let ids = text.lines().filter_map(|line| line.split_once(" trace_id=")?.1.split_once(' '));
    ids.map(|(id, _)| id.trim_matches('"').to_owned()).collect()
}

#[tokio::test]
async fn a_callers_trace_goes_on_down_to_each_try_at_the_vendor() {
    let collector = Collector::new().await;
    let mut world = traced(collector.endpoint(), |_| {}).await;
    world.vendor.enqueue_fault("organization", Fault::Unavailable);
    let request = with_trace(&world, TRACE, "01").header("x-request-id", "story-1");
    world.passing(world.send(request)).await.ok();
    assert_eq!(world.tell_to_stop().await.unwrap(), Drained { cut_off: 0 });

    let told = |span: &Span, key: &str| attribute(&span.attributes, key);
    let (mut calls, rest): (Vec<_>, Vec<_>) =
        collector.spans().into_iter().partition(|span| span.kind() == SpanKind::Client);
    assert_eq!((calls.len(), rest.len()), (2, 2), "{calls:?} {rest:?}");
    let request = rest.into_iter().find(|span| span.kind() == SpanKind::Server).unwrap();
    let fetch = collector.span("fetch /queries/organization");
    for span in calls.iter().chain([&request, &fetch]) {
        assert_eq!(hex(&span.trace_id), TRACE);
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano && span.start_time_unix_nano > 0);
    }
    assert_eq!((request.kind(), hex(&request.parent_span_id).as_str()), (SpanKind::Server, CALLERS_SPAN));
    for (key, value) in [
        ("http.request.method", "GET"),
        ("http.route", ORGANIZATION),
        ("http.response.status_code", "200"),
        ("wesal_gateway.caller", "app"),
        ("wesal_gateway.cache", "miss"),
        ("wesal_gateway.request_id", "story-1"),
        ("wesal_gateway.vendor_calls", "2"),
        ("wesal_gateway.code", ""),
    ] {
        assert_eq!(told(&request, key), value, "{key}");
    }
    assert!(request.status.is_none() && request.links.is_empty(), "{request:?}");

    assert_eq!(request.name, "GET /queries/organization");
    assert_eq!((fetch.kind(), &fetch.parent_span_id), (SpanKind::Internal, &request.span_id));
    calls.sort_by_key(|call| call.start_time_unix_nano);
    let outcomes = calls.iter().map(|call| {
        assert_eq!(call.parent_span_id, fetch.span_id);
        assert_eq!(told(call, "server.address"), "127.0.0.1");
        assert_eq!(told(call, "url.template"), ORGANIZATION);
        let words = ["wesal_gateway.outcome", "http.response.status_code", "http.request.resend_count", "error.type"];
        words.map(|key| told(call, key))
    });
    assert_eq!(outcomes.collect::<Vec<_>>(), [["failed", "503", "", "failed"], ["ok", "200", "1", ""]]);

    let sent = world.vendor.requests("organization");
    assert!(sent.iter().all(|request| request.header("traceparent").is_none()), "the vendor was told of the trace");
    for export in collector.exports() {
        assert_eq!(export.headers["content-type"], "application/x-protobuf");
        let service = export.decode().resource_spans[0].resource.clone().unwrap();
        assert_eq!(attribute(&service.attributes, "service.name"), "wesal-gateway");
    }
}

#[tokio::test]
async fn who_waited_for_anothers_fetch_is_linked_to_it() {
    let collector = Collector::new().await;
    let two = |setup: &mut Setup| setup.config.limits.max_in_flight = 2.try_into().unwrap();
    let mut world = traced(collector.endpoint(), two).await;
    let vendor = world.vendor.block_requests("organization");
    let first = world.begin(with_trace(&world, TRACE, "01"));
    world.vendor.wait_for_requests("organization", 1).await;
    let second = world.begin(with_trace(&world, OTHER_TRACE, "01"));
    world.is_full().await;
    vendor.release();
    first.await.unwrap().ok();
    second.await.unwrap().ok();
    world.tell_to_stop().await.unwrap();

    let spans = collector.spans();
    let of = |trace: &str| {
        spans.iter().find(|span| span.kind() == SpanKind::Server && hex(&span.trace_id) == trace).unwrap()
    };
    let fetch = collector.span("fetch /queries/organization");
    assert_eq!((&fetch.trace_id, &fetch.parent_span_id), (&of(TRACE).trace_id, &of(TRACE).span_id));
    assert!(of(TRACE).links.is_empty());
    let links: Vec<_> = of(OTHER_TRACE).links.iter().map(|link| (&link.trace_id, &link.span_id)).collect();
    assert_eq!(links, [(&fetch.trace_id, &fetch.span_id)]);
}

#[tokio::test]
async fn a_request_without_a_trace_gets_one_that_stands_in_the_log() {
    let collector = Collector::new().await;
    let mut world = traced(collector.endpoint(), |_| {}).await;
    let (log, _guard) = log();
    world.get("/no/such/path").await;
    world.tell_to_stop().await.unwrap();
    // Its path stays out of it: a caller can write anything there.
    let span = collector.span("GET");
    assert!(span.parent_span_id.is_empty());
    assert_eq!(attribute(&span.attributes, "wesal_gateway.code"), "not_found");
    assert_eq!(logged_traces(&log), [hex(&span.trace_id)]);
}

#[tokio::test]
async fn the_caller_decides_whether_its_trace_is_recorded_and_else_the_ratio_does() {
    let collector = Collector::new().await;
    let mut world = traced(collector.endpoint(), |setup| setup.config.telemetry.otlp_sample_ratio = 0.0).await;
    let (log, _guard) = log();
    world.get(ORGANIZATION).await.ok();
    world.send(with_trace(&world, OTHER_TRACE, "00")).await.ok();
    world.send(with_trace(&world, TRACE, "01")).await.ok();
    world.tell_to_stop().await.unwrap();
    let traces: Vec<_> = collector.spans().iter().map(|span| hex(&span.trace_id)).collect();
    assert_eq!(traces, [TRACE]);
    assert_eq!(logged_traces(&log).len(), 3, "each request's line has its trace");
}

#[tokio::test]
async fn spans_are_sent_while_the_gateway_runs_and_a_collector_that_is_busy_gets_them_again() {
    let collector = Collector::new().await;
    let world = traced(collector.endpoint(), |_| {}).await;
    collector.answers(503, 0);
    world.get("/no/such/path").await;
    while collector.exports().is_empty() {
        world.advance(secs(5));
        tokio::task::yield_now().await;
    }
    collector.answers(200, 0);
    while world.metric("spans_exported_total").await < 1.0 {
        world.advance(secs(5));
    }
    let bodies: Vec<_> = collector.exports().into_iter().map(|export| export.body).collect();
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies[0], bodies[1]);
    assert_eq!(world.metric(r#"spans_dropped_total{reason="unreachable"}"#).await, 0.0);
}

#[tokio::test]
async fn a_collector_that_is_gone_costs_callers_nothing_and_what_is_lost_is_counted() {
    // Bound, and not listened on: nobody else gets the port.
    let gone = TcpSocket::new_v4().unwrap();
    gone.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let endpoint = Some(format!("http://{}", gone.local_addr().unwrap()));
    let world = traced(endpoint, |_| {}).await;
    for _ in 0..10 {
        world.get(ORGANIZATION).await.ok();
    }
    // The ten requests, the fetch and its call.
    while world.metric(r#"spans_dropped_total{reason="unreachable"}"#).await < 12.0 {
        world.advance(secs(5));
    }
    world.get(ORGANIZATION).await.ok();
    assert_eq!(world.metric("spans_exported_total").await, 0.0);
}

#[tokio::test]
async fn what_the_collector_does_not_want_is_counted_and_not_sent_again() {
    let collector = Collector::new().await;
    let world = traced(collector.endpoint(), |_| {}).await;
    for (status, rejected, exported, refused) in [(400, 0, 0.0, 1.0), (200, 1, 0.0, 2.0), (200, 0, 1.0, 2.0)] {
        let exports = collector.exports().len();
        collector.answers(status, rejected);
        world.get("/no/such/path").await;
        let counts = async || {
            let exported = world.metric("spans_exported_total").await;
            (exported, world.metric(r#"spans_dropped_total{reason="refused"}"#).await)
        };
        while counts().await != (exported, refused) {
            world.advance(secs(5));
        }
        assert_eq!(collector.exports().len(), exports + 1);
    }
}

#[tokio::test]
async fn a_drain_does_not_wait_long_for_a_collector_that_hangs() {
    let collector = Collector::new().await;
    let mut world = traced(collector.endpoint(), |_| {}).await;
    collector.hangs();
    world.get(ORGANIZATION).await.ok();
    // The clock of the export's own time-out stands still.
    assert_eq!(world.tell_to_stop().await.unwrap(), Drained { cut_off: 0 });
    assert_eq!(collector.spans().len(), 3, "they were sent");
}
