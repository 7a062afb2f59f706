//! How long an answer is good, who shares a fetch, and what stands in when the vendor fails.

use std::num::{NonZeroU32, NonZeroUsize};

use futures_util::future::join_all;
use wesal_simulator::Fault;

use crate::harness::{Answer, SALES, SUPPORT, Setup, World, in_time, rate, secs};

const ORGANIZATION: &str = "/queries/organization";
const SURVEYS: &str = "/survey/queries/surveys";
const PERFORMANCE: &str = "/analytics/queues/performance";
const HOUR: u64 = 3600;
/// When the organization, fetched at 0, may no longer be served at all: 10 minutes and 24 hours.
const END: u64 = 600 + 24 * HOUR;

/// A world with room for no more requests at once than a test begins.
async fn with_room_for(requests: usize) -> World {
    let mut setup = Setup::default();
    setup.config.limits.max_in_flight = NonZeroUsize::new(requests).unwrap();
    let world = setup.start().await;
    world.logged_in().await;
    world
}

fn cache_status(answer: &Answer) -> &str {
    answer.header("cache-status").strip_prefix("wesal-gateway; ").unwrap()
}

fn collapsed(answers: &[Answer]) -> usize {
    answers.iter().filter(|answer| cache_status(answer).ends_with("; collapsed")).count()
}

#[tokio::test]
async fn freshness_counts_from_the_moment_the_call_began() {
    let world = World::new().await;
    let vendor = world.vendor.block_requests("organization");
    let waiting = world.begin_get(ORGANIZATION);
    world.vendor.wait_for_requests("organization", 1).await;
    world.advance(secs(5));
    vendor.release();
    let first = waiting.await.unwrap().ok();
    assert_eq!((cache_status(&first), first.header("age")), ("fwd=uri-miss; ttl=595; stored", "5"));
    world.advance(secs(594));
    let last = world.get(ORGANIZATION).await.ok();
    assert_eq!((cache_status(&last), last.header("age")), ("hit; ttl=1", "599"));
    world.advance(secs(1));
    let stale = world.get(ORGANIZATION).await.ok();
    let expected = ("hit; ttl=-1; detail=stale-while-revalidate", "600");
    assert_eq!((cache_status(&stale), stale.header("age")), expected);
}

#[tokio::test]
async fn a_stale_answer_is_served_at_once_while_one_refresh_runs() {
    let world = World::new().await;
    let first = world.get(ORGANIZATION).await.ok();
    world.vendor.set_answer("organization", r#"{"data": {"companies": []}, "success": true}"#);
    world.advance(secs(700));
    let vendor = world.vendor.block_requests("organization");
    for _ in 0..20 {
        let stale = world.get(ORGANIZATION).await.ok();
        assert_eq!(cache_status(&stale), "hit; ttl=-100; detail=stale-while-revalidate");
        assert_eq!(stale.body, first.body);
    }
    world.vendor.wait_for_requests("organization", 2).await;
    vendor.release();
    let mut fresh = world.get(ORGANIZATION).await.ok();
    while fresh.body == first.body {
        fresh = world.get(ORGANIZATION).await.ok();
    }
    assert_eq!((cache_status(&fresh), fresh.header("age")), ("hit; ttl=600", "0"));
    assert_eq!(world.vendor_calls("organization"), 2);
}

/// A way in which the vendor, or what we may ask of it, fails.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Faults(Fault),
    Silence,
    LoginRefused,
    BudgetSpent,
    BreakerOpen,
}

const TROUBLES: [(Trouble, &str); 9] = [
    (Trouble::Faults(Fault::Unavailable), "upstream_error"),
    (Trouble::Faults(Fault::Cut), "upstream_unreachable"),
    (Trouble::Faults(Fault::Html), "upstream_invalid_response"),
    (Trouble::Faults(Fault::Failed), "upstream_error"),
    (Trouble::Faults(Fault::RateLimitedBare), "upstream_rate_limited"),
    (Trouble::Silence, "upstream_timeout"),
    (Trouble::LoginRefused, "upstream_login_failed"),
    (Trouble::BudgetSpent, "upstream_budget_exhausted"),
    (Trouble::BreakerOpen, "upstream_unavailable"),
];

impl Trouble {
    /// A world that holds the organization for `age` seconds when the trouble comes.
    async fn comes_after(self, age: u64) -> World {
        let mut setup = Setup::default();
        match self {
            Self::BudgetSpent => setup.config.upstream.rate_limit = rate(1, 1_000_000, 1),
            Self::BreakerOpen => setup.config.upstream.breaker.min_calls = NonZeroU32::MIN,
            _ => {}
        }
        let world = setup.start().await;
        world.get(ORGANIZATION).await.ok();
        world.advance(secs(age));
        match self {
            Self::Faults(fault) => (0..3).for_each(|_| world.vendor.enqueue_fault("organization", fault)),
            Self::Silence => world.vendor.enqueue_fault("organization", Fault::Hang),
            Self::LoginRefused => {
                world.vendor.expire_tokens();
                world.vendor.set_password("another one");
            }
            Self::BudgetSpent => {}
            Self::BreakerOpen => {
                world.vendor.enqueue_fault("questions", Fault::Error);
                assert_eq!(world.get("/survey/queries/questions/100301").await.status, 502);
            }
        }
        world
    }

    async fn ask(self, world: &World) -> Answer {
        if !matches!(self, Self::Silence) {
            return world.passing(world.get(ORGANIZATION)).await;
        }
        let waiting = world.begin_get(ORGANIZATION);
        world.vendor.wait_for_requests("organization", 2).await;
        world.advance(secs(10));
        waiting.await.unwrap()
    }
}

#[tokio::test]
async fn a_stale_answer_stands_in_for_every_failure_of_the_vendors() {
    for (trouble, _) in TROUBLES {
        let world = trouble.comes_after(2 * HOUR).await;
        let answer = trouble.ask(&world).await.ok();
        let status = cache_status(&answer);
        assert!(status.starts_with("fwd=stale; ttl=-66"), "{trouble:?}: {status}");
        assert!(status.ends_with("; detail=stale-if-error"), "{trouble:?}: {status}");
        assert!(answer.header("age").parse::<u64>().unwrap() >= 2 * HOUR);
        assert_eq!(answer.json()["data"]["companies"].as_array().unwrap().len(), 5);
    }
}

#[tokio::test]
async fn at_its_hard_end_a_stale_answer_is_gone_whatever_fails() {
    for (trouble, code) in TROUBLES {
        let world = trouble.comes_after(END).await;
        assert_eq!(trouble.ask(&world).await.problem(), code, "{trouble:?}");
    }
}

#[tokio::test]
async fn what_ends_while_the_vendor_fails_is_not_served_any_more() {
    let world = Trouble::Faults(Fault::Error).comes_after(END - 1).await;
    let vendor = world.vendor.block_requests("organization");
    let waiting = world.begin_get(ORGANIZATION);
    world.vendor.wait_for_requests("organization", 2).await;
    world.advance(secs(1));
    vendor.release();
    assert_eq!(waiting.await.unwrap().problem(), "upstream_error");
}

#[tokio::test]
async fn a_refusal_is_not_papered_over_and_no_failure_is_kept() {
    let world = World::new().await;
    world.get(ORGANIZATION).await.ok();
    world.advance(secs(2 * HOUR));
    world.vendor.enqueue_fault("organization", Fault::Refused);
    let refused = world.get(ORGANIZATION).await;
    assert_eq!((refused.status, refused.problem().as_str()), (400, "upstream_rejected"));
    assert_eq!(refused.json()["wesalCode"], "X004");
    world.advance(secs(29));
    assert_eq!(world.get(ORGANIZATION).await.body.len(), refused.body.len(), "the refusal is remembered");
    assert_eq!(world.vendor_calls("organization"), 2);
    world.advance(secs(1));
    let next = world.get(ORGANIZATION).await.ok();
    assert_eq!(cache_status(&next), "fwd=uri-miss; ttl=600; stored", "what was refused is held no more");
    assert_eq!(world.vendor_calls("organization"), 3);
}

#[tokio::test]
async fn a_refresh_that_is_refused_ends_the_stale_answer() {
    let world = World::new().await;
    world.get(ORGANIZATION).await.ok();
    world.advance(secs(11 * 60));
    world.vendor.enqueue_fault("organization", Fault::Refused);
    let hold = world.vendor.block_requests("organization");
    assert_eq!(world.get(ORGANIZATION).await.ok().header("age"), "660");
    world.vendor.wait_for_requests("organization", 2).await;
    world.vendor.enqueue_fault("organization", Fault::Refused);
    hold.release();
    let mut answer = world.get(ORGANIZATION).await;
    while answer.status == 200 {
        answer = world.get(ORGANIZATION).await;
    }
    assert_eq!(answer.problem(), "upstream_rejected");
}

#[tokio::test]
async fn survey_rows_are_not_kept_but_equal_questions_in_flight_share_a_call() {
    let world = with_room_for(5).await;
    let vendor = world.vendor.block_requests("surveys");
    let same = [
        r#"{"companyId": 100301, "limit": 3}"#,
        r#"{"companyId": 100301, "limit": 3}"#,
        r#"{ "limit":3,"companyId":100301 }"#,
    ];
    let shared: Vec<_> = same.iter().map(|body| world.begin_post(SURVEYS, body)).collect();
    let other = [r#"{"companyId": 100301, "limit": 4}"#, r#"{"companyId": 100301, "limit": 3, "offset": 0}"#];
    let others: Vec<_> = other.iter().map(|body| world.begin_post(SURVEYS, body)).collect();
    world.is_full().await;
    world.vendor.wait_for_requests("surveys", 3).await;
    vendor.release();

    let shared: Vec<_> = join_all(shared).await.into_iter().map(|answer| answer.unwrap().ok()).collect();
    assert!(shared.iter().all(|answer| answer.body == shared[0].body));
    assert!(shared.iter().all(|answer| cache_status(answer).starts_with("fwd=bypass")));
    assert_eq!(collapsed(&shared), 2);
    for answer in join_all(others).await {
        assert_eq!(cache_status(&answer.unwrap().ok()), "fwd=bypass");
    }
    assert_eq!(world.vendor_calls("surveys"), 3);
    assert_eq!(cache_status(&world.post(SURVEYS, same[0]).await.ok()), "fwd=bypass");
    assert_eq!(world.vendor_calls("surveys"), 4);
}

#[tokio::test]
async fn a_hundred_callers_on_one_cold_document_cost_one_call() {
    let world = with_room_for(100).await;
    let vendor = world.vendor.block_requests("questions");
    let all: Vec<_> = (0..100).map(|_| world.begin_get("/survey/queries/questions/100301")).collect();
    world.is_full().await;
    vendor.release();
    let all: Vec<_> = join_all(all).await.into_iter().map(|answer| answer.unwrap().ok()).collect();
    assert!(all.iter().all(|answer| answer.body == all[0].body));
    assert_eq!((collapsed(&all), world.vendor_calls("questions")), (99, 1));
}

#[tokio::test]
async fn a_failure_is_shared_with_those_who_waited_and_not_repeated_by_each() {
    let world = with_room_for(100).await;
    world.vendor.enqueue_fault("questions", Fault::Error);
    let vendor = world.vendor.block_requests("questions");
    let all: Vec<_> = (0..100).map(|_| world.begin_get("/survey/queries/questions/100301")).collect();
    world.is_full().await;
    vendor.release();
    for answer in join_all(all).await {
        assert_eq!(answer.unwrap().problem(), "upstream_error");
    }
    assert_eq!(world.vendor_calls("questions"), 1);
}

#[tokio::test]
async fn callers_who_leave_cancel_nothing() {
    let world = with_room_for(10).await;
    let vendor = world.vendor.block_requests("questions");
    let leaving: Vec<_> = (0..10).map(|_| world.begin_get("/survey/queries/questions/100301")).collect();
    world.is_full().await;
    world.vendor.wait_for_requests("questions", 1).await;
    leaving.iter().for_each(tokio::task::JoinHandle::abort);
    world.has_room().await;
    assert_eq!(world.vendor.stats().in_flight, 1, "the fetch was cancelled");
    world.advance(secs(5));
    vendor.release();
    let mut next = world.get("/survey/queries/questions/100301").await.ok();
    while !cache_status(&next).starts_with("hit") {
        next = world.get("/survey/queries/questions/100301").await.ok();
    }
    assert_eq!((next.header("age"), world.vendor_calls("questions")), ("5", 1));
}

fn performance(interval: &str) -> String {
    format!(r#"{{"queues": ["{SALES}", "{SUPPORT}"], "interval": "{interval}"}}"#)
}

#[tokio::test]
async fn the_longer_ago_an_interval_ended_the_longer_its_figures_are_fresh() {
    // It is noon, and a second, of November 22.
    for (end, ttl) in [
        ("2026-11-22T13:00:00Z", 30),
        ("2026-11-22T11:30:01Z", 30),
        ("2026-11-22T11:30:00Z", 600),
        ("2026-11-20T12:00:01Z", 600),
        ("2026-11-20T12:00:00Z", 21_600),
    ] {
        let world = World::new().await;
        let body = performance(&format!("2026-11-20T09:00:00Z/{end}"));
        let first = world.post(PERFORMANCE, &body).await.ok();
        assert_eq!(cache_status(&first), format!("fwd=uri-miss; ttl={ttl}; stored"), "{end}");
        world.advance(secs(ttl - 1));
        assert_eq!(cache_status(&world.post(PERFORMANCE, &body).await.ok()), "hit; ttl=1", "{end}");
        world.advance(secs(1));
        let stale = world.post(PERFORMANCE, &body).await.ok();
        assert_eq!(cache_status(&stale), "hit; ttl=-1; detail=stale-while-revalidate", "{end}");
    }
}

#[tokio::test]
async fn what_was_fetched_of_an_open_interval_is_not_held_longer_when_it_closes() {
    let world = World::new().await;
    let body = performance("2026-11-22T10:00:00Z/2026-11-22T11:30:10Z");
    let first = world.post(PERFORMANCE, &body).await.ok();
    assert_eq!(cache_status(&first), "fwd=uri-miss; ttl=30; stored");
    world.advance(secs(20));
    assert_eq!(cache_status(&world.post(PERFORMANCE, &body).await.ok()), "hit; ttl=10");
    world.advance(secs(50));
    // It was requested twice, so it is refreshed ahead.
    in_time(world.vendor.wait_for_requests("performance", 2)).await;
    let next = world.post(PERFORMANCE, &body).await.ok();
    assert!(cache_status(&next).contains("ttl=600"), "closed by now: {}", cache_status(&next));
}

#[tokio::test]
async fn equal_instants_written_differently_are_one_question() {
    let world = World::new().await;
    let same = [
        "2026-11-22T09:00:00.000Z/2026-11-22T10:00:00.000Z",
        "2026-11-22T09:00:00Z/2026-11-22T10:00:00Z",
        "2026-11-22T12:00:00+03:00/2026-11-22T05:00:00.0-05:00",
    ];
    let mut bodies = Vec::new();
    for interval in same {
        bodies.push(world.post(PERFORMANCE, &performance(interval)).await.ok().body);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]));
    assert_eq!(world.vendor_calls("performance"), 1);
    let sent = world.vendor.last_request("performance").unwrap().body;
    assert!(String::from_utf8(sent.to_vec()).unwrap().contains(&format!(r#""interval":"{}""#, same[0])));
}

#[tokio::test]
async fn who_has_the_answer_already_is_told_so_until_it_changes() {
    let world = World::new().await;
    let if_none_match = async |tags: &str| {
        let request = world.request("GET", ORGANIZATION).header("authorization", world.key());
        world.send(request.header("if-none-match", tags)).await
    };
    let first = world.get(ORGANIZATION).await.ok();
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 10, "{tag}");
    world.advance(secs(60));
    for tags in [tag.clone(), format!("W/{tag}"), format!(r#""a", W/"b" ,{tag}"#), "*".to_owned()] {
        let same = if_none_match(&tags).await;
        assert_eq!((same.status, same.body.len()), (304, 0), "{tags}");
        let said = ["etag", "cache-control", "age"].map(|name| same.header(name));
        assert_eq!(said, [tag.as_str(), "private, no-cache", "60"]);
        assert_eq!((cache_status(&same), same.header("content-type")), ("hit; ttl=540", ""));
    }
    for tags in ["\"another\"", "", tag.trim_matches('"')] {
        assert_eq!(if_none_match(tags).await.ok().body, first.body, "{tags}");
    }
    world.vendor.set_answer("organization", r#"{"data": {"companies": []}, "success": true}"#);
    world.advance(secs(2 * HOUR));
    let changed = if_none_match(&tag).await.ok();
    assert_ne!(changed.header("etag"), tag);
}

#[tokio::test]
async fn every_route_says_how_it_may_be_kept_and_a_head_is_a_get_without_its_body() {
    let world = World::new().await;
    for path in [ORGANIZATION, "/survey/queries/questions/100301"] {
        let get = world.get(path).await.ok();
        assert_eq!(get.header("cache-control"), "private, no-cache");
        let request = world.request("HEAD", path).header("authorization", world.key());
        let head = world.send(request).await;
        assert_eq!((head.status, head.body.len()), (200, 0));
        for name in ["etag", "content-type", "content-length", "cache-control"] {
            assert_eq!(head.header(name), get.header(name), "{name}");
        }
        assert!(cache_status(&head).starts_with("hit"));
    }
    let queues = format!(r#"{{"queues": ["{SALES}"]}}"#);
    let interval = performance("2026-11-22T09:00:00Z/2026-11-22T10:00:00Z");
    let login = format!(r#"{{"email": "app", "password": "{}"}}"#, world.key());
    for (path, body) in [
        (SURVEYS, r#"{"companyId": 100301}"#),
        ("/analytics/runtime/queues/summary", &queues),
        ("/analytics/runtime/queues/activity", &queues),
        (PERFORMANCE, &interval),
        ("/auth/login", &login),
    ] {
        let answer = world.post(path, body).await.ok();
        assert_eq!((answer.header("cache-control"), answer.header("etag")), ("no-store", ""), "{path}");
    }
    assert_eq!(world.get("/auth/logout").await.ok().header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_caller_that_may_refresh_is_heard_and_any_other_is_not() {
    let mut setup = Setup::default();
    let mighty = setup.caller("mighty", |caller| caller.may_refresh());
    let world = setup.start().await;
    let ask = async |key: &str, control: &str| {
        let request = world.request("GET", ORGANIZATION).header("authorization", key).header("cache-control", control);
        world.send(request).await
    };
    assert_eq!(ask(&mighty, "only-if-cached").await.problem(), "only_if_cached");
    assert_eq!(world.vendor_calls("organization"), 0);
    ask(world.key(), "only-if-cached").await.ok();
    world.advance(secs(5));
    for (key, control, status, calls) in [
        (world.key(), "no-cache", "hit; ttl=595", 1),
        (mighty.as_str(), "max-age=5", "hit; ttl=595", 1),
        (mighty.as_str(), "no-store", "hit; ttl=595", 1),
        (mighty.as_str(), "only-if-cached", "hit; ttl=595", 1),
        (mighty.as_str(), "max-age=4", "fwd=request; ttl=600; stored", 2),
        (mighty.as_str(), "max-age=4", "hit; ttl=600", 2),
    ] {
        let answer = ask(key, control).await.ok();
        assert_eq!((cache_status(&answer), world.vendor_calls("organization")), (status, calls), "{control}");
    }
    world.advance(secs(1));
    assert_eq!(cache_status(&ask(&mighty, "no-cache").await.ok()), "fwd=request; ttl=600; stored");
    world.advance(secs(1));
    world.vendor.enqueue_fault("organization", Fault::Failed);
    assert_eq!(ask(&mighty, "no-cache").await.problem(), "upstream_error", "what was demanded is not papered over");
    assert_eq!(cache_status(&ask(world.key(), "").await.ok()), "hit; ttl=599");
}

#[tokio::test]
async fn corrected_wall_clock_reopens_an_interval() {
    let world = World::new().await;
    let three_days = jiff::SignedDuration::from_hours(72);
    // Open: it ends in an hour. A clock that is three days ahead takes it for settled.
    let body = performance("2026-11-22T12:00:00Z/2026-11-22T13:00:00Z");
    world.clock.step_wall(three_days);
    world.post(PERFORMANCE, &body).await.ok();
    // Assembled once from the part, then served as assembled.
    for _ in 0..2 {
        world.post(PERFORMANCE, &body).await.ok();
    }
    world.advance(secs(60));
    assert!(
        cache_status(&world.post(PERFORMANCE, &body).await.ok()).starts_with("hit; ttl=21"),
        "settled, as it seems"
    );
    world.clock.step_wall(-three_days);
    // Beyond the `ttl` of 30 s and the 30 s of stale-while-revalidate.
    let answer = world.post(PERFORMANCE, &body).await.ok();
    assert!(cache_status(&answer).starts_with("fwd=stale"), "{}", cache_status(&answer));
    assert_eq!(cache_status(&world.post(PERFORMANCE, &body).await.ok()), "hit; ttl=30");
}

#[tokio::test]
async fn interval_of_a_future_date_stays_open_after_its_end() {
    let world = World::new().await;
    let body = performance("2026-11-22T11:00:00Z/2026-11-22T11:59:00Z");
    world.clock.step_wall(jiff::SignedDuration::from_hours(72));
    world.post(PERFORMANCE, &body).await.ok();
    world.clock.step_wall(jiff::SignedDuration::from_hours(-72));
    // The interval is closed by now; its rows were fetched when it was open.
    world.advance(secs(31 * 60));
    let answer = world.post(PERFORMANCE, &body).await.ok();
    assert!(cache_status(&answer).starts_with("fwd="), "{}", cache_status(&answer));
}
