//! What one caller meets with at the vendor, or makes of the gateway's room there, stops nobody else.

use futures_util::future::join_all;
use tokio::task::yield_now;
use wesal_simulator::Fault;

use crate::harness::{Act, FaultProxy, SALES, SUPPORT, Setup, World, http, secs};

const RESET: (&str, &str) = ("/auth/reset", r#"{"method": "email", "email": "other@wesal.example"}"#);
const VERIFY: (&str, &str) =
    ("/auth/verify", r#"{"method": "phone", "email": "other@wesal.example", "otp": "123456", "password": "new"}"#);
const QUESTIONS: &str = "/survey/queries/questions/100301";
const SUMMARY: &str = "/analytics/runtime/queues/summary";

async fn behind_a_proxy(change: impl FnOnce(&mut Setup)) -> (World, FaultProxy) {
    let mut setup = Setup::default();
    setup.proxy = Some(FaultProxy::new().await);
    change(&mut setup);
    let mut world = setup.start().await;
    let proxy = world.proxy.take().unwrap();
    world.logged_in().await;
    (world, proxy)
}

async fn another_asks(world: &World) -> crate::harness::Answer {
    world.post(SUMMARY, &format!(r#"{{"queues": ["{SALES}", "{SUPPORT}"]}}"#)).await
}

fn no() -> Act {
    Act::say(http("200 OK", &[], r#"{"success":false,"message":"Invalid OTP"}"#))
}

#[tokio::test]
async fn a_person_who_types_a_wrong_code_again_and_again_opens_no_breaker() {
    for act in [no(), Act::say(http("500 Error", &[], r#"{"success":false}"#))] {
        let (world, proxy) = behind_a_proxy(|_| {}).await;
        proxy.always("verify", act);
        for _ in 0..20 {
            assert_eq!(world.post(VERIFY.0, VERIFY.1).await.problem(), "upstream_error");
        }
        assert_eq!(proxy.calls("verify"), 20);
        another_asks(&world).await.ok();
    }
}

#[tokio::test]
async fn wrong_codes_are_not_told_as_a_failing_vendor() {
    let (world, proxy) = behind_a_proxy(|_| {}).await;
    proxy.always("verify", no());
    for _ in 0..5 {
        assert_eq!(world.post(VERIFY.0, VERIFY.1).await.problem(), "upstream_error");
    }
    let status = world.get_admin("/admin/status").await.json();
    assert!(status["vendor"]["calls"]["failing"].is_null(), "{}", status["vendor"]);
}

#[tokio::test]
async fn a_company_that_wesal_refuses_without_a_code_opens_no_breaker_and_a_page_before_wesal_does() {
    let refused = http("403 Forbidden", &[], r#"{"success":false,"message":"not yours"}"#);
    let page = http("403 Forbidden", &["content-type: text/html"], "<html>not yours</html>");
    for (answer, is_page) in [(refused, false), (page, true)] {
        let (world, proxy) = behind_a_proxy(|_| {}).await;
        proxy.always("questions", Act::say(answer));
        for _ in 0..10 {
            assert_eq!(world.get(QUESTIONS).await.problem(), "upstream_error");
        }
        let answer = another_asks(&world).await;
        if is_page {
            assert_eq!((answer.status, answer.problem().as_str()), (503, "upstream_unavailable"));
        } else {
            answer.ok();
        }
    }
}

#[tokio::test]
async fn while_the_breaker_is_open_no_password_is_changed_and_no_change_is_its_probe() {
    let (world, proxy) = behind_a_proxy(|_| {}).await;
    proxy.always("questions", Act::Simulate(Fault::Error));
    for _ in 0..10 {
        assert_eq!(world.get(QUESTIONS).await.problem(), "upstream_error");
    }
    proxy.always("verify", no());
    assert_eq!(world.post(VERIFY.0, VERIFY.1).await.problem(), "upstream_unavailable");
    world.advance(secs(5));
    assert_eq!(world.post(VERIFY.0, VERIFY.1).await.problem(), "upstream_error");
    assert_eq!(world.metric("breaker_state{state=\"open\"}").await, 1.0);
    proxy.always("verify", Act::Silence);
    let change = world.begin_post(VERIFY.0, VERIFY.1);
    proxy.arrived("verify", 2).await;
    another_asks(&world).await.ok();
    change.abort();
    assert_eq!(world.metric("breaker_state{state=\"closed\"}").await, 1.0);
}

#[tokio::test]
async fn a_password_change_that_is_to_wait_stops_no_data_and_the_other_way_round() {
    let (world, proxy) = behind_a_proxy(|_| {}).await;
    let wait = || Act::say(http("429 Wait", &["retry-after: 120"], r#"{"success":false}"#));
    proxy.always("reset", wait());
    for (path, body) in [RESET, RESET, VERIFY] {
        let answer = world.post(path, body).await;
        assert_eq!((answer.status, answer.problem().as_str()), (503, "upstream_rate_limited"));
        assert_eq!(answer.header("retry-after"), "120");
    }
    assert_eq!((proxy.calls("reset"), proxy.calls("verify")), (1, 0));
    another_asks(&world).await.ok();
    world.get(QUESTIONS).await.ok();
    assert!(world.get_admin("/admin/status").await.json()["vendor"]["pausedFor"].is_null());

    let (world, proxy) = behind_a_proxy(|_| {}).await;
    proxy.always("questions", wait());
    assert_eq!(world.get(QUESTIONS).await.problem(), "upstream_rate_limited");
    assert_eq!(another_asks(&world).await.problem(), "upstream_rate_limited");
    assert_eq!(world.post(RESET.0, RESET.1).await.problem(), "upstream_rejected", "it came to Wesal");
}

/// The only connection is taken for ten seconds, so that one of those who wait for it has five of its ten left, and the
/// others none.
#[tokio::test]
async fn a_crowd_that_waits_for_connections_opens_no_breaker_and_is_told_so() {
    let (world, proxy) = behind_a_proxy(|setup| {
        let upstream = &mut setup.config.upstream;
        upstream.max_connections = 1.try_into().unwrap();
        upstream.request_timeout = secs(15);
        upstream.breaker.min_calls = 2.try_into().unwrap();
        upstream.breaker.window = secs(60);
    })
    .await;
    proxy.always("questions", Act::Silence);
    let first = world.begin_get(QUESTIONS);
    proxy.arrived("questions", 1).await;
    let crowd: Vec<_> = (2..=4).map(|n| world.begin_get(&format!("/survey/queries/questions/10030{n}"))).collect();
    while world.metric("in_flight_requests").await < 4.0 {}
    // From there to the queue they need nobody but this thread.
    for _ in 0..200 {
        yield_now().await;
    }
    world.advance(secs(10));
    assert_eq!(first.await.unwrap().problem(), "upstream_timeout");
    proxy.arrived("questions", 2).await;
    world.advance(secs(5));
    for answer in join_all(crowd).await {
        let answer = answer.unwrap();
        assert_eq!((answer.status, answer.problem().as_str()), (503, "overloaded"));
        assert_eq!(answer.header("retry-after"), "1");
        assert!(answer.text().contains("connections to Wesal"), "{}", answer.text());
    }
    let calls = async |outcome: &str| {
        let route = "/survey/queries/questions/{companyId}";
        world.metric(&format!("vendor_calls_total{{route=\"{route}\",outcome=\"{outcome}\"}}")).await
    };
    assert_eq!((calls("timeout").await, calls("cut_short").await), (1.0, 1.0));
    another_asks(&world).await.ok();
}

/// Where a try may take as long as the whole request, what goes before it leaves it a little less.
#[tokio::test]
async fn a_vendor_that_hangs_opens_the_breaker_also_where_a_try_may_take_as_long_as_the_request() {
    let (world, proxy) = behind_a_proxy(|setup| {
        let upstream = &mut setup.config.upstream;
        upstream.try_timeout = upstream.request_timeout;
        // That Wesal asks for patience counts as an answer.
        upstream.breaker.min_calls = 4.try_into().unwrap();
        upstream.breaker.window = secs(60);
    })
    .await;
    let paused = async || !world.get_admin("/admin/status").await.json()["vendor"]["pausedFor"].is_null();
    for round in 1..=2 {
        proxy.next("questions", [Act::say(http("429 Wait", &["retry-after: 1"], "")), Act::Silence]);
        let asked = world.begin_get(QUESTIONS);
        while !paused().await {}
        world.advance(secs(1));
        proxy.arrived("questions", 2 * round).await;
        world.advance(secs(19));
        assert_eq!(asked.await.unwrap().problem(), "upstream_timeout");
    }
    assert_eq!(another_asks(&world).await.problem(), "upstream_unavailable");
}
