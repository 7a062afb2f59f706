//! The call budget, as callers see it: waits for it, and what is charged to which caller (CONTRACT 4.7, 4.8).

use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::{JoinHandle, yield_now};

use crate::harness::{Answer, FaultProxy, Setup, World, asking, in_time, rate, secs};

const SUMMARY: &str = "/analytics/runtime/queues/summary";

/// Each is a vendor call of its own.
fn question(n: usize) -> String {
    format!("/survey/queries/questions/100301?n={n}")
}

fn begin_question(world: &World, key: &str, n: usize) -> JoinHandle<Answer> {
    world.begin(world.request("GET", &question(n)).header("authorization", key))
}

fn begin_summary(world: &World, key: &str, queue: &str) -> JoinHandle<Answer> {
    let request = world.request("POST", SUMMARY).header("authorization", key);
    world.begin(request.header("content-type", "application/json").body(asking(&[queue])))
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

/// One call is refilled each second. Questions are stale after a second.
fn setup(burst: u32) -> Setup {
    let mut setup = Setup::default();
    let upstream = &mut setup.config.upstream;
    upstream.forward_query.push("n".to_owned());
    upstream.rate_limit = rate(60, 60, burst);
    upstream.max_stretch = 1.0;
    let questions = &mut setup.config.cache.questions;
    (questions.ttl, questions.stale_while_revalidate, questions.stale_if_error) = (secs(1), secs(0), secs(60));
    setup
}

#[tokio::test]
async fn stale_part_is_served_only_after_max_wait() {
    let mut setup = setup(4);
    let spenders: Vec<_> = (0..4).map(|n| setup.caller(&format!("spender{n}"), |_| {})).collect();
    let waiters: Vec<_> = (0..4).map(|n| setup.caller(&format!("waiter{n}"), |_| {})).collect();
    let world = setup.start().await;
    world.logged_in().await;
    for (n, key) in spenders.iter().enumerate() {
        world.get_as(key, &question(n)).await.ok();
    }
    world.advance(secs(10));
    for (n, key) in spenders.iter().enumerate() {
        world.get_as(key, &question(10 + n)).await.ok();
    }
    let waiting: Vec<_> = waiters.iter().enumerate().map(|(n, key)| begin_question(&world, key, n)).collect();
    let answered = || waiting.iter().filter(|answer| answer.is_finished()).count();
    settle(&world).await;
    // One call is refilled after 1 s and one after 2 s, which is `upstream.max_wait`.
    let mut seen = vec![answered()];
    for wait in [999, 1, 999, 1] {
        world.advance(Duration::from_millis(wait));
        settle(&world).await;
        seen.push(answered());
    }
    assert_eq!(seen, [0, 0, 1, 1, 4]);
    let mut ages = Vec::new();
    for answer in in_time(join_all(waiting)).await {
        let answer = answer.unwrap().ok();
        let is_stale = answer.header("cache-status").contains("detail=stale-if-error");
        ages.push((answer.header("age").to_owned(), is_stale));
    }
    ages.sort();
    let expected = [("0", false), ("0", false), ("12", true), ("12", true)];
    assert_eq!(ages, expected.map(|(age, is_stale)| (age.to_owned(), is_stale)));
}

/// A caller that has spent its share of a scarce budget: 3 of 10 calls are left, and it has spent 3.
async fn with_a_spent_share(setup: Setup, work: impl AsyncFnOnce(&World)) -> (World, String) {
    let mut setup = setup;
    setup.config.upstream.max_wait = Duration::ZERO;
    let others: Vec<_> = (0..4).map(|n| setup.caller(&format!("other{n}"), |_| {})).collect();
    let busy = setup.caller("busy", |_| {});
    setup.proxy = Some(FaultProxy::new().await);
    let world = setup.start().await;
    world.logged_in().await;
    work(&world).await;
    for (n, key) in others.iter().chain([&busy, &busy, &busy]).enumerate() {
        world.get_as(key, &question(n)).await.ok();
    }
    assert_is_limited(&world, &busy).await;
    (world, busy)
}

async fn assert_is_limited(world: &World, key: &str) {
    assert_eq!(world.get_as(key, &question(99)).await.problem(), "upstream_budget_exhausted");
}

#[tokio::test]
async fn call_with_hot_parts_is_charged_to_no_caller() {
    let (world, busy) = with_a_spent_share(setup(10), async |world| {
        // The second miss makes the interest known.
        for seconds in [1, 2, 2] {
            world.post(SUMMARY, &asking(&[&world.vendor.queue_ids()[0]])).await.ok();
            world.advance(secs(seconds));
        }
    })
    .await;
    let ids = world.vendor.queue_ids();
    begin_summary(&world, &busy, &ids[1]).await.unwrap().ok();
    assert_eq!(world.queues_asked("summary")[2], [ids[1].clone(), ids[0].clone()], "the hot part went along");
    assert_is_limited(&world, &busy).await;
    assert_eq!(begin_summary(&world, &busy, &ids[2]).await.unwrap().problem(), "upstream_budget_exhausted");
}

#[tokio::test]
async fn merged_call_is_charged_to_no_caller() {
    let mut setup = setup(10);
    let modest = setup.caller("modest", |_| {});
    let (world, busy) = with_a_spent_share(setup, async |_| {}).await;
    let ids = world.vendor.queue_ids();
    let proxy = world.proxy.as_ref().unwrap();
    proxy.hold();
    let first = begin_summary(&world, world.key(), &ids[0]);
    in_time(proxy.arrived("summary", 1)).await;
    let waiting = [begin_summary(&world, &busy, &ids[1]), begin_summary(&world, &modest, &ids[2])];
    in_time(async { while world.metric("in_flight_requests").await < 3.0 {} }).await;
    settle(&world).await;
    proxy.release();
    for answer in in_time(join_all(waiting.into_iter().chain([first]))).await {
        answer.unwrap().ok();
    }
    assert_eq!(world.queues_asked("summary")[1].len(), 2, "the two requests were merged");
    // What is left of the budget goes to the other caller.
    world.get_as(&modest, &question(98)).await.ok();
    assert_is_limited(&world, &busy).await;
}
