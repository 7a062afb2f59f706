//! How much each may ask, and when to come back.

use std::num::NonZeroUsize;

use futures_util::future::join_all;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use wesal_gateway::auth::ApiKey;

use crate::harness::{Answer, Setup, World, rate, secs, until};

const ORGANIZATION: &str = "/queries/organization";

/// `RateLimit-Policy`, and `RateLimit`.
fn told(answer: &Answer) -> (&str, &str) {
    (answer.header("ratelimit-policy"), answer.header("ratelimit"))
}

#[tokio::test]
async fn a_caller_is_told_of_its_limit_and_when_to_come_back() {
    let mut setup = Setup::default();
    let key = setup.caller("slow", |caller| caller.rate_limit(rate(2, 6, 3)));
    let world = setup.start().await;
    let policy = "\"caller\";q=3;w=9";
    for left in [2, 1, 0] {
        let answer = world.get_as(&key, ORGANIZATION).await.ok();
        assert_eq!(told(&answer), (policy, format!("\"caller\";r={left};t=3").as_str()));
    }
    assert_eq!(world.vendor_calls("organization"), 1, "hits count too");
    for _ in 0..10 {
        let refused = world.get_as(&key, ORGANIZATION).await;
        assert_eq!((refused.status, refused.problem().as_str()), (429, "rate_limited"));
        assert_eq!(refused.header("retry-after"), "3");
        assert_eq!(told(&refused), (policy, "\"caller\";r=0;t=3"));
    }
    world.advance(secs(2));
    assert_eq!(world.get_as(&key, ORGANIZATION).await.header("retry-after"), "1");
    world.advance(secs(1));
    assert_eq!(world.get_as(&key, ORGANIZATION).await.ok().header("ratelimit"), "\"caller\";r=0;t=3");
    assert_eq!(world.get_as(&key, ORGANIZATION).await.status, 429);
    world.advance(secs(9));
    assert_eq!(world.get_as(&key, ORGANIZATION).await.ok().header("ratelimit"), "\"caller\";r=2;t=3");
}

#[tokio::test]
async fn a_retry_after_is_in_whole_seconds_and_always_long_enough() {
    for (limit, wait) in [(rate(2, 3, 1), 2), (rate(1000, 1, 1), 1), (rate(1, 3600, 1), 3600)] {
        let mut setup = Setup::default();
        let key = setup.caller("slow", |caller| caller.rate_limit(limit));
        let world = setup.start().await;
        world.get_as(&key, ORGANIZATION).await.ok();
        assert_eq!(world.get_as(&key, ORGANIZATION).await.header("retry-after"), wait.to_string());
        world.advance(secs(wait));
        world.get_as(&key, ORGANIZATION).await.ok();
    }
}

#[tokio::test]
async fn no_caller_can_spend_anothers_limit() {
    let mut setup = Setup::default();
    setup.config.limits.default = rate(50, 1, 100);
    let other = setup.caller("other", |_| {});
    let own = setup.caller("own", |caller| caller.rate_limit(rate(1, 1, 1)));
    let world = setup.start().await;
    for left in (0..100).rev() {
        let answer = world.get(ORGANIZATION).await.ok();
        assert_eq!(told(&answer), ("\"default\";q=100;w=2", format!("\"default\";r={left};t=1").as_str()));
    }
    assert_eq!(world.get(ORGANIZATION).await.status, 429);
    assert_eq!(world.get_as(&other, ORGANIZATION).await.ok().header("ratelimit"), "\"default\";r=99;t=1");
    assert_eq!(world.get_as(&own, ORGANIZATION).await.ok().header("ratelimit"), "\"caller\";r=0;t=1");
}

#[tokio::test]
async fn every_answer_to_a_known_caller_counts_and_says_so() {
    let mut setup = Setup::default();
    let key = setup.caller("app2", |caller| {
        caller.scopes(&[]);
        caller.rate_limit(rate(1, 100, 3));
    });
    let world = setup.start().await;
    let login = format!(r#"{{"email": "app2", "password": "{key}"}}"#);
    let answers = [
        world.get_as(&key, ORGANIZATION).await,
        world.get_as(&key, "/auth/logout?x=1").await,
        world.send(world.request("POST", "/auth/login").header("content-type", "application/json").body(login)).await,
        world.get_as(&key, ORGANIZATION).await,
    ];
    assert_eq!(answers.each_ref().map(|answer| answer.status), [403, 400, 200, 429]);
    let left = answers.each_ref().map(|answer| answer.header("ratelimit").to_owned());
    assert_eq!(left, [2, 1, 0, 0].map(|left| format!("\"caller\";r={left};t=100")));
    let stranger = world.get_as("nonsense", ORGANIZATION).await;
    assert_eq!((stranger.status, told(&stranger)), (401, ("", "")));
}

#[tokio::test]
async fn who_guesses_keys_is_stopped_and_a_good_key_still_passes() {
    let world = World::new().await;
    let guess = async |world: &World| world.get_as(ApiKey::generate().unwrap().expose(), ORGANIZATION).await;
    let wrong = r#"{"email": "app", "password": "guess"}"#;
    let log_in = async |world: &World| {
        world.send(world.request("POST", "/auth/login").header("content-type", "application/json").body(wrong)).await
    };
    for _ in 0..10 {
        assert_eq!(guess(&world).await.problem(), "invalid_key");
        assert_eq!(log_in(&world).await.problem(), "invalid_key");
    }
    for answer in [guess(&world).await, log_in(&world).await] {
        assert_eq!((answer.status, answer.problem().as_str()), (429, "too_many_auth_failures"));
        assert_eq!(answer.header("retry-after"), "6");
    }
    world.get(ORGANIZATION).await.ok();
    world.advance(secs(6));
    assert_eq!(guess(&world).await.problem(), "invalid_key");
    assert_eq!(guess(&world).await.problem(), "too_many_auth_failures");
}

#[tokio::test]
async fn the_vendors_budget_is_waited_for_a_little_and_then_refused() {
    let mut setup = Setup::default();
    setup.config.upstream.rate_limit = rate(1, 1, 2);
    let world = setup.start().await;
    world.logged_in().await;
    for company in [100_301, 100_302] {
        world.get(&format!("/survey/queries/questions/{company}")).await.ok();
    }
    let waiting = [100_303, 100_304, 100_305].map(|id| world.begin_get(&format!("/survey/queries/questions/{id}")));
    // Each waits with its own deadline; the tidying too.
    world.clock.sleepers(7).await;
    assert_eq!(world.vendor_calls("questions"), 2);
    for served in 1..=2 {
        world.advance(secs(1));
        until(|| waiting.iter().filter(|answer| answer.is_finished()).count() >= served).await;
        assert_eq!(world.vendor_calls("questions"), 2 + served as u64);
    }
    let mut answers: Vec<_> = join_all(waiting).await.into_iter().map(Result::unwrap).collect();
    answers.sort_by_key(|answer| answer.status);
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200, 200, 503]);
    assert_eq!(answers[2].problem(), "upstream_budget_exhausted");
    assert_eq!(answers[2].header("retry-after"), "1");
    assert_eq!(world.vendor_calls("questions"), 4);
}

#[tokio::test]
async fn a_budget_spent_for_long_is_refused_at_once_and_logins_cost_nothing() {
    let mut setup = Setup::default();
    setup.config.upstream.rate_limit = rate(1, 60, 2);
    let world = setup.start().await;
    world.logged_in().await;
    world.advance(secs(10));
    world.vendor.expire_tokens();
    world.get(ORGANIZATION).await.ok();
    assert_eq!((world.logins(), world.vendor_calls("organization")), ((2, 0), 2), "the tries cost both calls");
    let answer = world.get("/survey/queries/questions/100301").await;
    assert_eq!((answer.status, answer.problem().as_str()), (503, "upstream_budget_exhausted"));
    assert_eq!(answer.header("retry-after"), "60");
    world.get(ORGANIZATION).await.ok();
    world.advance(secs(60));
    world.get("/survey/queries/questions/100301").await.ok();
}

#[tokio::test]
async fn past_its_most_requests_in_flight_it_says_so_at_once_until_there_is_room() {
    let mut setup = Setup::default();
    setup.config.limits.max_in_flight = NonZeroUsize::new(2).unwrap();
    let world = setup.start().await;
    world.logged_in().await;
    let vendor = world.vendor.block_requests("questions");
    let held = [100_301, 100_302].map(|id| world.begin_get(&format!("/survey/queries/questions/{id}")));
    world.is_full().await;
    let refused = world.get(ORGANIZATION).await;
    assert_eq!((refused.status, refused.problem().as_str()), (503, "overloaded"));
    assert_eq!((refused.header("retry-after"), world.vendor_calls("organization")), ("1", 0));
    vendor.release();
    for answer in join_all(held).await {
        answer.unwrap().ok();
    }
    world.has_room().await;
    world.get(ORGANIZATION).await.ok();
}

#[tokio::test]
async fn logins_have_places_of_their_own_and_no_more_than_that() {
    let mut setup = Setup::default();
    setup.config.limits.max_in_flight = NonZeroUsize::new(2).unwrap();
    let world = setup.start().await;
    let mut begun = Vec::new();
    for _ in 0..64 {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        let head = "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
        stream.write_all(format!("{head}Content-Length: 99\r\n\r\n{{").as_bytes()).await.unwrap();
        begun.push(stream);
    }
    let (login, body) = ("/auth/login", r#"{"email": "x", "password": "y"}"#);
    while world.post(login, body).await.problem() != "overloaded" {
        tokio::task::yield_now().await;
    }
    world.get(ORGANIZATION).await.ok();
    drop(begun);
    while world.post(login, body).await.problem() == "overloaded" {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn behind_a_trusted_proxy_wrong_keys_are_counted_by_client_and_else_by_peer() {
    for trusted in [true, false] {
        let mut setup = Setup::default();
        if trusted {
            setup.config.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        }
        let world = setup.start().await;
        let guess = async |from: &str| {
            let request = world.request("GET", ORGANIZATION).header("authorization", "wgw_guess");
            world.send(request.header("x-forwarded-for", from)).await.problem()
        };
        for _ in 0..20 {
            assert_eq!(guess("198.51.100.1").await, "invalid_key");
        }
        assert_eq!(guess("198.51.100.1, 127.0.0.9").await, "too_many_auth_failures");
        let other = if trusted { "invalid_key" } else { "too_many_auth_failures" };
        assert_eq!(guess("198.51.100.1, 198.51.100.2").await, other);
        world.get(ORGANIZATION).await.ok();
    }
}
