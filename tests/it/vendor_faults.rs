//! Every way in which the vendor goes wrong: what callers are told, what it costs, and that nothing of it stays.

use std::num::NonZeroU32;

use futures_util::{FutureExt, future::join_all};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use wesal_gateway::clock::Clock;
use wesal_simulator::Fault;

use crate::harness::{SALES, SUPPORT, Setup, World, secs, until};

const SUMMARY: &str = "/analytics/runtime/queues/summary";
const QUESTIONS: &str = "/survey/queries/questions/100301";

fn queues() -> String {
    format!(r#"{{"queues": ["{SALES}", "{SUPPORT}"]}}"#)
}

/// The status, the `code` and `wesalCode` that callers get when a call and its further tries go wrong in this way,
/// and how many calls the vendor sees.
fn what_comes_of(fault: Fault) -> (u16, &'static str, Option<&'static str>, u64) {
    use Fault::*;
    match fault {
        Unavailable | BadGateway => (502, "upstream_error", None, 3),
        Cut | Truncated => (502, "upstream_unreachable", None, 3),
        Error | Failed => (502, "upstream_error", None, 1),
        Html | Empty | BadJson | BadUtf8 | WrongShape | Huge | GzipBomb | Redirect => {
            (502, "upstream_invalid_response", None, 1)
        }
        // Both queues together, then each alone.
        Refused => (400, "upstream_rejected", Some("X004"), 3),
        Missing => (400, "upstream_rejected", Some("X0000"), 3),
        // Both queues with the old token and with a new one, then each alone.
        TokenDead | Unauthorized | WrongDomain => (503, "upstream_login_failed", None, 4),
        RateLimited => (503, "upstream_rate_limited", None, 2),
        RateLimitedBare => (503, "upstream_rate_limited", None, 1),
        Hang | Slow => (504, "upstream_timeout", None, 1),
        // Successes all the same.
        MissingIds | DoubledIds | ReorderedIds | UpperIds | ExtraIds | LoginNoToken => (200, "", None, 1),
    }
}

#[tokio::test]
async fn each_fault_has_its_answer_and_leaves_nothing_behind() {
    for fault in Fault::ALL {
        let (status, code, wesal_code, calls) = what_comes_of(*fault);
        let world = World::new().await;
        world.logged_in().await;
        world.advance(secs(10));
        (0..calls).for_each(|_| world.vendor.enqueue_fault("summary", *fault));
        let asked = world.begin_post(SUMMARY, &queues());
        if status == 504 {
            world.vendor.wait_for_requests("summary", 1).await;
            world.advance(secs(10));
        }
        let answer = world.passing(asked).await.unwrap();
        assert_eq!((answer.status, world.vendor_calls("summary")), (status, calls), "{fault}");
        if status == 200 {
            continue;
        }
        assert_eq!(answer.problem(), code, "{fault}");
        assert_eq!(answer.json()["wesalCode"].as_str(), wesal_code, "{fault}");
        assert_eq!(answer.header("retry-after").is_empty(), status != 503, "{fault}");

        // What was refused is remembered for 30 s.
        world.advance(secs(31));
        let next = world.post(SUMMARY, &queues()).await.ok();
        assert_eq!(next.header("cache-status"), "wesal-gateway; fwd=uri-miss; ttl=3; stored", "{fault}");
        // A token that died while it was new was kept, and its death is found out by one call more.
        let found_out = u64::from(matches!(fault, Fault::TokenDead));
        assert_eq!(world.vendor_calls("summary"), calls + 1 + found_out, "{fault}");
    }
}

#[tokio::test]
async fn a_failure_in_passing_is_tried_again_unseen() {
    for fault in [Fault::Unavailable, Fault::BadGateway, Fault::Cut, Fault::Truncated] {
        for failures in 1..=2 {
            let world = World::new().await;
            (0..failures).for_each(|_| world.vendor.enqueue_fault("questions", fault));
            world.passing(world.get(QUESTIONS)).await.ok();
            assert_eq!(world.vendor_calls("questions"), failures + 1, "{fault}");
        }
    }
}

#[tokio::test]
async fn what_changes_a_password_is_never_tried_again() {
    let reset = r#"{"method": "email", "email": "other@wesal.example"}"#;
    let verify = r#"{"method": "phone", "email": "other@wesal.example", "otp": "123456", "password": "new"}"#;
    for (path, route, body) in [("/auth/reset", "reset", reset), ("/auth/verify", "verify", verify)] {
        for (fault, code) in [
            (Fault::Unavailable, "upstream_error"),
            (Fault::Cut, "upstream_unreachable"),
            (Fault::Unauthorized, "upstream_error"),
            (Fault::WrongDomain, "upstream_error"),
            (Fault::RateLimitedBare, "upstream_rate_limited"),
        ] {
            let world = World::new().await;
            world.logged_in().await;
            world.vendor.enqueue_fault(route, fault);
            let answer = world.passing(world.post(path, body)).await;
            assert_eq!((answer.problem().as_str(), world.vendor_calls(route)), (code, 1), "{route} {fault}");
            assert_eq!(world.logins(), (1, 0));
        }
    }
}

#[tokio::test]
async fn a_retry_after_that_fits_is_waited_out() {
    let world = World::new().await;
    world.vendor.enqueue_fault("questions", Fault::RateLimited);
    let before = world.clock.now();
    world.passing(world.get(QUESTIONS)).await.ok();
    assert!(world.clock.now().since(before) >= secs(2), "tried again too soon");
    assert_eq!(world.vendor_calls("questions"), 2);
}

#[tokio::test]
async fn a_retry_after_is_obeyed_by_all_callers_together() {
    let world = World::new().await;
    world.vendor.enqueue_fault("questions", Fault::RateLimitedBare);
    assert_eq!(world.get(QUESTIONS).await.header("retry-after"), "5");
    let calls = world.vendor.stats().total_calls();
    for left in [5, 4, 3] {
        for path in [QUESTIONS, "/survey/queries/questions/100302", "/queries/organization"] {
            let answer = world.get(path).await;
            assert_eq!((answer.status, answer.problem().as_str()), (503, "upstream_rate_limited"));
            assert_eq!(answer.header("retry-after"), left.to_string());
        }
        world.advance(secs(1));
    }
    // Two seconds are left, which is as long as a request may wait.
    let ask = |i| world.begin_get(&format!("/survey/queries/questions/{}", 100_301 + i % 5));
    let waiting: Vec<_> = (0..10).map(ask).collect();
    world.clock.sleepers(1 + 2 * 5).await;
    world.advance(secs(2) - std::time::Duration::from_millis(1));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.vendor.stats().total_calls(), calls, "somebody asked too soon");
    world.advance(std::time::Duration::from_millis(1));
    for answer in join_all(waiting).await {
        answer.unwrap().ok();
    }
    assert_eq!(world.vendor.stats().total_calls(), calls + 5);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let mut world = World::new().await;
    world.logged_in().await;
    world.stop_vendor().await;
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let location = format!("http://{}/api/v1{QUESTIONS}", elsewhere.local_addr().unwrap());
    let vendor = world.open_vendor_port();
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let asked = world.begin_get(QUESTIONS);
        let (mut call, _) = vendor.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            assert_ne!(call.read_buf(&mut head).await.unwrap(), 0);
        }
        let moved =
            format!("HTTP/1.1 {status}\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        call.write_all(moved.as_bytes()).await.unwrap();
        tokio::select! {
            answer = asked => assert_eq!(answer.unwrap().problem(), "upstream_invalid_response", "{status}"),
            _ = elsewhere.accept() => panic!("a {status} was followed"),
        }
    }
    assert!(elsewhere.accept().now_or_never().is_none(), "a redirect was followed");
}

#[tokio::test]
async fn the_breaker_opens_lets_one_probe_through_and_closes_again() {
    let world = World::new().await;
    (0..11).for_each(|_| world.vendor.enqueue_fault("questions", Fault::Error));
    for _ in 0..10 {
        assert_eq!(world.get(QUESTIONS).await.problem(), "upstream_error");
    }
    let turned_away = async |path: &str, retry_after: &str| {
        let answer = world.get(path).await;
        assert_eq!((answer.status, answer.problem().as_str()), (503, "upstream_unavailable"));
        assert_eq!(answer.header("retry-after"), retry_after);
    };
    for path in [QUESTIONS, "/queries/organization"] {
        turned_away(path, "5").await;
    }
    world.advance(secs(5));
    assert_eq!(world.get(QUESTIONS).await.problem(), "upstream_error", "the probe fails");
    turned_away(QUESTIONS, "8").await;
    world.advance(secs(8));
    let vendor = world.vendor.block_requests("questions");
    let probe = world.begin_get(QUESTIONS);
    world.vendor.wait_for_requests("questions", 12).await;
    turned_away("/queries/organization", "8").await;
    vendor.release();
    probe.await.unwrap().ok();
    world.get("/queries/organization").await.ok();
    assert_eq!((world.vendor_calls("questions"), world.vendor_calls("organization")), (12, 1));
}

#[tokio::test]
async fn further_tries_are_a_share_of_the_calls_when_all_fail() {
    for (share, calls) in [(0.0, 50..=50), (0.2, 65..=70)] {
        let mut setup = Setup::default();
        setup.config.upstream.breaker.min_calls = NonZeroU32::MAX;
        setup.config.upstream.retry_budget = share;
        let world = setup.start().await;
        (0..150).for_each(|_| world.vendor.enqueue_fault("questions", Fault::Unavailable));
        for _ in 0..50 {
            assert_eq!(world.passing(world.get(QUESTIONS)).await.problem(), "upstream_error");
        }
        assert!(calls.contains(&world.vendor_calls("questions")), "{share}: {}", world.vendor_calls("questions"));
    }
}

#[tokio::test]
async fn a_vendor_that_goes_and_comes_back_is_found_again() {
    let mut world = World::new().await;
    world.get("/queries/organization").await.ok();
    world.stop_vendor().await;
    let answer = world.passing(world.get(QUESTIONS)).await;
    assert_eq!((answer.status, answer.problem().as_str()), (502, "upstream_unreachable"));
    assert!(world.get("/queries/organization").await.ok().header("cache-status").contains("; hit;"));
    world.restart_vendor().await;
    world.get(QUESTIONS).await.ok();
    assert_eq!(world.logins(), (1, 0));
}

#[tokio::test]
async fn a_kept_connection_that_died_meanwhile_is_no_failure() {
    let mut setup = Setup::default();
    setup.config.upstream.retries = 0;
    let mut world = setup.start().await;
    world.get("/queries/organization").await.ok();
    for company in 100_301..=100_305 {
        world.stop_vendor().await;
        world.restart_vendor().await;
        world.get(&format!("/survey/queries/questions/{company}")).await.ok();
    }
    assert_eq!(world.vendor_calls("questions"), 5);
}

#[tokio::test]
async fn what_is_not_sent_while_the_vendor_asks_for_patience_costs_nothing_of_the_budget() {
    let mut setup = Setup::default();
    setup.config.upstream.rate_limit = crate::harness::rate(240, 60, 30);
    setup.config.upstream.forward_query.push("n".to_owned());
    let world = setup.start().await;
    world.logged_in().await;
    world.vendor.enqueue_fault("questions", Fault::RateLimitedBare);
    for n in 0..40 {
        assert_eq!(world.get(&format!("{QUESTIONS}?n={n}")).await.problem(), "upstream_rate_limited");
    }
    assert_eq!(world.metric("vendor_budget_remaining").await, 29.0);
}

#[tokio::test]
async fn a_gateway_that_starts_before_its_vendor_logs_in_when_it_comes() {
    let mut world = World::new().await;
    world.stop_vendor().await;
    let answer = world.get(QUESTIONS).await;
    assert_eq!((answer.status, answer.problem().as_str()), (502, "upstream_unreachable"));
    world.restart_vendor().await;
    world.advance(secs(1));
    until(|| world.logins() == (1, 0)).await;
    world.get(QUESTIONS).await.ok();
}

#[tokio::test]
async fn a_vendor_that_answers_in_good_time_but_not_to_the_end_is_timed_out() {
    let world = World::new().await;
    world.logged_in().await;
    let vendor = world.vendor.block_requests("questions");
    let asked = world.begin_get(QUESTIONS);
    world.vendor.wait_for_requests("questions", 1).await;
    world.advance(secs(10) - std::time::Duration::from_millis(1));
    assert!(!asked.is_finished());
    world.advance(std::time::Duration::from_millis(1));
    assert_eq!(asked.await.unwrap().problem(), "upstream_timeout");
    vendor.release();
    world.get(QUESTIONS).await.ok();
}
