//! Admission of vendor calls: vendor pauses, the call budget, fair shares and connections, as callers and the vendor see
//! them.

use std::{
    io::Write,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use futures_util::future::join_all;
use tokio::{task::JoinHandle, task::yield_now};
use wesal_gateway::clock::{Clock, Moment};

use crate::harness::{Act, Answer, FaultProxy, Setup, World, http, in_time, rate, secs};

const ORGANIZATION: &str = "/queries/organization";
const SUMMARY: (&str, &str) =
    ("/analytics/runtime/queues/summary", r#"{"queues": ["01756dxx-xxxx-xxxx-xxxx-7c12cf9a0dxx"]}"#);
const QUESTIONS: &str = r#"{"data":{"questions":[{"id":"1"}]},"success":true}"#;

/// Each is a vendor call of its own.
fn question(n: usize) -> String {
    format!("/survey/queries/questions/100301?n={n}")
}

async fn start(change: impl FnOnce(&mut Setup)) -> (World, FaultProxy) {
    let mut setup = Setup::default();
    setup.proxy = Some(FaultProxy::new().await);
    setup.config.upstream.forward_query.push("n".to_owned());
    change(&mut setup);
    let mut world = setup.start().await;
    let proxy = world.proxy.take().unwrap();
    world.logged_in().await;
    (world, proxy)
}

fn begin_as(world: &World, key: &str, path: &str) -> JoinHandle<Answer> {
    world.begin(world.request("GET", path).header("authorization", key))
}

/// Lets requests that were begun come as far as they can without time passing.
async fn settle(world: &World) {
    for _ in 0..3 {
        world.get_admin("/livez").await;
        for _ in 0..100 {
            yield_now().await;
        }
    }
}

fn wait(status: &str, retry_after: &str) -> Act {
    Act::say(http(status, &[&format!("retry-after: {retry_after}")], r#"{"success":false,"message":"slow down"}"#))
}

#[tokio::test]
async fn no_call_begins_after_a_429() {
    let (world, proxy) = start(|setup| setup.config.upstream.max_connections = 2.try_into().unwrap()).await;
    proxy.always("questions", Act::Pass);
    proxy.hold();
    let waiting: Vec<_> = (0..20).map(|n| world.begin_get(&question(n))).collect();
    in_time(proxy.arrived("questions", 2)).await;
    in_time(async { while world.metric("in_flight_requests").await < 20.0 {} }).await;
    settle(&world).await;
    assert_eq!(proxy.calls("questions"), 2);
    proxy.always("questions", wait("429 Too Many Requests", "60"));
    proxy.release();
    for answer in in_time(join_all(waiting)).await {
        let answer = answer.unwrap();
        assert_eq!((answer.status, answer.problem().as_str()), (503, "upstream_rate_limited"));
        assert_eq!(answer.header("retry-after"), "60");
    }
    assert_eq!(proxy.calls("questions"), 2);
    world.advance(secs(57));
    assert_eq!(world.get(ORGANIZATION).await.problem(), "upstream_rate_limited");
    assert_eq!(proxy.calls("organization"), 0);
    world.advance(secs(3));
    world.get(ORGANIZATION).await.ok();
}

#[tokio::test]
async fn pause_of_max_wait_is_waited_out_by_all_callers() {
    let mut keys = Vec::new();
    let (world, proxy) = start(|setup| {
        keys = ["a", "b", "c"].map(|name| setup.caller(name, |_| {})).to_vec();
        setup.config.upstream.max_connections = 2.try_into().unwrap();
    })
    .await;
    proxy.next("questions", [wait("429 Too Many Requests", "2")]);
    let first = world.begin_get(&question(0));
    in_time(proxy.arrived("questions", 1)).await;
    let is_paused = async || !world.get_admin("/admin/status").await.json()["vendor"]["pausedFor"].is_null();
    in_time(async { while !is_paused().await {} }).await;
    let waiting: Vec<_> = (1..=12).map(|n| begin_as(&world, &keys[n % 3], &question(n))).collect();
    in_time(async { while world.metric("in_flight_requests").await < 13.0 {} }).await;
    settle(&world).await;
    assert_eq!(proxy.calls("questions"), 1);
    world.advance(secs(2));
    for answer in in_time(join_all(waiting.into_iter().chain([first]))).await {
        answer.unwrap().ok();
    }
}

/// The vendor takes every call and answers none for 17 s, then fails with 503 for a while, so that calls are retried.
#[tokio::test]
async fn no_minute_has_more_calls_than_rate_and_burst() {
    let mut keys = Vec::new();
    let (world, proxy) = start(|setup| {
        keys = ["a", "b", "c", "d"].map(|name| setup.caller(name, |_| {})).to_vec();
        let upstream = &mut setup.config.upstream;
        upstream.rate_limit = rate(240, 60, 30);
        // So few that most calls wait for a connection while the vendor hangs.
        upstream.max_connections = 4.try_into().unwrap();
        upstream.breaker.min_calls = 100_000.try_into().unwrap();
    })
    .await;
    let calls = Arc::new(Mutex::new(Vec::<Moment>::new()));
    let record = |act: Act, only_while: Arc<AtomicBool>| {
        let (calls, clock) = (Arc::clone(&calls), world.clock.clone());
        Act::when(
            move |_| {
                calls.lock().unwrap().push(clock.now());
                only_while.load(Ordering::Relaxed)
            },
            act,
        )
    };
    let yes = Arc::new(AtomicBool::new(true));
    let failing = Arc::new(AtomicBool::new(true));
    let mut asked = Vec::new();
    for step in 0..400_usize {
        match step {
            0 => proxy.always("questions", record(Act::Silence, Arc::clone(&yes))),
            68 => {
                let failure = Act::say(http("503 Service Unavailable", &[], ""));
                proxy.always("questions", record(failure, Arc::clone(&failing)));
            }
            100 => failing.store(false, Ordering::Relaxed),
            _ => {}
        }
        asked.extend((0..4).map(|n| begin_as(&world, &keys[n], &question(step * 4 + n))));
        settle(&world).await;
        world.advance(Duration::from_millis(250));
    }
    let calls = calls.lock().unwrap().clone();
    let most = calls.iter().map(|from| calls.iter().filter(|at| **at >= *from && at.since(*from) < secs(60)).count());
    let most = most.max().unwrap();
    assert!((200..=270).contains(&most), "{most} calls in a minute, {} in all", calls.len());
    asked.iter().for_each(JoinHandle::abort);
}

#[tokio::test]
async fn caller_with_many_misses_fails_no_other_caller() {
    let mut other = String::new();
    let (world, _proxy) = start(|setup| {
        other = setup.caller("other", |_| {});
        setup.config.upstream.rate_limit = rate(240, 60, 30);
    })
    .await;
    let (mut busy, mut asked) = (Vec::new(), Vec::new());
    for step in 0..600_usize {
        busy.push(world.begin_get(&question(step)));
        if step % 40 == 39 && asked.len() < 13 {
            asked.push(begin_as(&world, &other, &question(10_000 + step)));
        }
        settle(&world).await;
        world.advance(Duration::from_millis(50));
    }
    assert_eq!(asked.len(), 13);
    for answer in in_time(join_all(asked)).await {
        answer.unwrap().ok();
    }
    let failed = busy.iter().filter(|answer| answer.is_finished()).count();
    assert!(failed > 100, "the other caller was not limited");
    busy.iter().for_each(JoinHandle::abort);
}

#[tokio::test]
async fn retry_after_on_503_pauses_all_data_routes() {
    let (world, proxy) = start(|_| {}).await;
    proxy.next("questions", [wait("503 Service Unavailable", "40")]);
    let answer = world.get(&question(0)).await;
    assert_eq!((answer.problem().as_str(), answer.header("retry-after")), ("upstream_rate_limited", "40"));
    world.advance(secs(37));
    for answer in [world.get(ORGANIZATION).await, world.post(SUMMARY.0, SUMMARY.1).await, world.get(&question(1)).await]
    {
        assert_eq!((answer.problem().as_str(), answer.header("retry-after")), ("upstream_rate_limited", "3"));
    }
    assert_eq!((proxy.calls("questions"), proxy.calls("organization"), proxy.calls("summary")), (1, 0, 0));
    world.advance(secs(3));
    world.get(ORGANIZATION).await.ok();
}

#[tokio::test]
async fn invalid_retry_after_on_503_is_ignored() {
    for value in ["soon", "-3", ""] {
        let (world, proxy) = start(|_| {}).await;
        proxy.always("questions", wait("503 Service Unavailable", value));
        assert_eq!(world.passing(world.get(&question(0))).await.problem(), "upstream_error");
        assert_eq!(proxy.calls("questions"), 3, "{value:?}");
        world.get(ORGANIZATION).await.ok();
    }
}

#[tokio::test]
async fn retry_after_on_503_delays_the_next_login() {
    let (world, proxy) = start(|_| {}).await;
    world.advance(secs(10));
    world.vendor.expire_tokens();
    proxy.next("login", [wait("503 Service Unavailable", "20")]);
    for left in (1..=20).rev() {
        let answer = world.get(ORGANIZATION).await;
        assert_eq!((answer.status, answer.problem().as_str()), (503, "upstream_rate_limited"));
        assert_eq!((answer.header("retry-after"), proxy.calls("login")), (left.to_string().as_str(), 2));
        world.advance(secs(1));
    }
    world.get(ORGANIZATION).await.ok();
    assert_eq!(proxy.calls("login"), 3);
}

#[tokio::test]
async fn connections_are_not_used_beyond_their_maximum_age() {
    let (world, proxy) = start(|_| {}).await;
    let connections = proxy.connections();
    for n in 0..29 {
        world.get(&question(n)).await.ok();
        world.advance(secs(10));
    }
    assert_eq!(proxy.connections(), connections);
    world.advance(secs(10));
    world.get(&question(30)).await.ok();
    assert_eq!(proxy.connections(), connections + 1);
}

/// Connections to the old address stay open and answer 500; new ones reach the vendor.
#[tokio::test]
async fn moved_vendor_is_found_by_the_breaker_probe() {
    let (world, proxy) = start(|_| {}).await;
    world.get(&question(0)).await.ok();
    let old = proxy.connections();
    for route in ["questions", "login"] {
        let failure = Act::say(http("500 Error", &[], r#"{"success":false}"#));
        proxy.always(route, Act::when(move |asked| asked.connection <= old, failure));
    }
    for n in 1..=9 {
        assert_eq!(world.get(&question(n)).await.problem(), "upstream_error");
    }
    assert_eq!(world.get(&question(11)).await.problem(), "upstream_unavailable");
    assert_eq!(proxy.connections(), old);
    world.advance(secs(5));
    for n in 12..=20 {
        world.get(&question(n)).await.ok();
    }
}

#[tokio::test]
async fn moved_vendor_is_found_by_a_login() {
    let (world, proxy) = start(|_| {}).await;
    world.get(&question(0)).await.ok();
    let old = proxy.connections();
    world.advance(secs(10));
    world.vendor.expire_tokens();
    let failure = Act::say(http("500 Error", &[], r#"{"success":false}"#));
    proxy.always("login", Act::when(move |asked| asked.connection <= old, failure));
    assert_eq!(world.get(&question(1)).await.problem(), "upstream_error");
    world.advance(secs(1));
    world.get(&question(1)).await.ok();
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn content_codings_and_byte_order_marks_are_decoded() {
    let (world, proxy) = start(|_| {}).await;
    let (half, rest) = QUESTIONS.split_at(QUESTIONS.len() / 2);
    let marked = format!("\u{feff}{QUESTIONS}");
    let coded = |coding: &str, body: Vec<u8>| Act::say(http("200 OK", &[&format!("content-encoding: {coding}")], body));
    let acts = [
        Act::say(http("200 OK", &[], &marked)),
        coded("gzip", gzip(&marked)),
        coded("GZIP", gzip(QUESTIONS)),
        coded("x-gzip", gzip(QUESTIONS)),
        coded("X-GZip", gzip(QUESTIONS)),
        coded("Identity", QUESTIONS.into()),
        coded("gzip", [gzip(half), gzip(rest)].concat()),
    ];
    for (n, act) in acts.into_iter().enumerate() {
        proxy.next("questions", [act]);
        assert_eq!(world.get(&question(n)).await.ok().text(), QUESTIONS, "act {n}");
    }
    for (n, coding) in ["br", "zstd", "gzip, gzip"].into_iter().enumerate() {
        proxy.next("questions", [coded(coding, gzip(QUESTIONS))]);
        assert_eq!(world.get(&question(100 + n)).await.problem(), "upstream_invalid_response", "{coding}");
    }
}
