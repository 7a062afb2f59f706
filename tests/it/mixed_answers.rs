//! Answers of which some parts were held and others had to be waited for: what was held is judged when the answer is
//! put together, and not when it was asked for.

use std::time::Duration;

use tokio::task::JoinHandle;
use wesal_gateway::config::FreshnessConfig;
use wesal_simulator::Fault;

use crate::harness::{Answer, SALES, SUPPORT, Setup, World, asking, in_time, secs};

const ACTIVITY: &str = "/analytics/runtime/queues/activity";

/// `ttl`, `stale_while_revalidate`, `stale_if_error`
type Windows = [u64; 3];

fn setup([ttl, revalidate, if_error]: Windows) -> Setup {
    let mut setup = Setup::default();
    let (ttl, stale_while_revalidate, stale_if_error) = (secs(ttl), secs(revalidate), secs(if_error));
    setup.config.cache.queue_activity = FreshnessConfig { ttl, stale_while_revalidate, stale_if_error };
    setup
}

fn cache_status(answer: &Answer) -> &str {
    answer.header("cache-status").strip_prefix("wesal-gateway; ").unwrap()
}

/// `SALES` was fetched so long ago, and `SUPPORT`, which is not held, is asked for with it: that call is under way for
/// so long when `meanwhile` comes, and then succeeds.
async fn waits(world: &World, age: Duration, wait: Duration, meanwhile: impl FnOnce()) -> JoinHandle<Answer> {
    world.logged_in().await;
    world.post(ACTIVITY, &asking(&[SALES])).await.ok();
    world.advance(age);
    let hold = world.vendor.block_requests("activity");
    let asked = world.begin_post(ACTIVITY, &asking(&[SALES, SUPPORT]));
    in_time(world.vendor.wait_for_requests("activity", 2)).await;
    world.advance(wait);
    meanwhile();
    hold.release();
    asked
}

#[tokio::test]
async fn what_ends_while_another_part_is_waited_for_is_fetched_too() {
    for windows in [[6, 0, 0], [6, 0, 60]] {
        let world = setup(windows).start().await;
        let answer = waits(&world, secs(2), secs(5), || {}).await.await.unwrap().ok();
        assert_eq!(world.queues_asked("activity"), [[SALES], [SUPPORT], [SALES]]);
        assert_eq!((cache_status(&answer), answer.header("age")), ("fwd=uri-miss; ttl=1; stored", "5"));
        let rows = answer.json()["data"]["result"].as_array().unwrap().clone();
        assert_eq!(rows.iter().map(|row| row["queueId"].as_str().unwrap()).collect::<Vec<_>>(), [SALES, SUPPORT]);
        // Both are held, and so is the answer.
        for _ in 0..2 {
            let held = world.post(ACTIVITY, &asking(&[SALES, SUPPORT])).await.ok();
            assert_eq!((cache_status(&held), held.header("age")), ("hit; ttl=1", "5"));
        }
    }
}

#[tokio::test]
async fn what_ends_meanwhile_and_cannot_be_fetched_fails_as_any_part() {
    let world = setup([6, 0, 0]).start().await;
    let fails = || world.vendor.enqueue_fault("activity", Fault::Error);
    let answer = waits(&world, secs(2), secs(5), fails).await.await.unwrap();
    assert_eq!(answer.problem(), "upstream_error");
    assert_eq!(world.queues_asked("activity"), [[SALES], [SUPPORT], [SALES]]);
}

#[tokio::test]
async fn what_becomes_stale_meanwhile_and_cannot_be_fetched_is_told_as_stale() {
    let world = setup([6, 0, 30]).start().await;
    let fails = || world.vendor.enqueue_fault("activity", Fault::Error);
    let answer = waits(&world, secs(2), secs(7), fails).await.await.unwrap().ok();
    let status = "fwd=stale; ttl=-3; detail=\"hit=0 stale=1 fetched=1\"";
    assert_eq!((cache_status(&answer), answer.header("age")), (status, "9"));
}

#[tokio::test]
async fn what_may_be_served_while_it_is_refreshed_is_told_as_stale_and_refreshed() {
    let world = setup([6, 30, 0]).start().await;
    let answer = waits(&world, secs(2), secs(5), || {}).await.await.unwrap().ok();
    let status = "fwd=uri-miss; ttl=1; stored; detail=\"hit=0 stale=1 fetched=1\"";
    assert_eq!((cache_status(&answer), answer.header("age")), (status, "7"));
    in_time(world.vendor.wait_for_requests("activity", 3)).await;
    assert_eq!(world.queues_asked("activity"), [[SALES], [SUPPORT], [SALES]]);
}

#[tokio::test]
async fn a_refresh_that_has_come_meanwhile_is_taken() {
    let world = setup([3, 30, 0]).start().await;
    let answer = waits(&world, secs(4), secs(2), || {}).await.await.unwrap().ok();
    let mut together = world.queues_asked("activity").swap_remove(1);
    together.sort();
    assert_eq!(together, [SALES, SUPPORT]);
    let status = "fwd=uri-miss; ttl=1; stored; detail=\"hit=1 stale=0 fetched=1\"";
    assert_eq!((cache_status(&answer), answer.header("age")), (status, "2"));
}

/// Its refresh came with the other part, and was purged on its way.
#[tokio::test]
async fn a_stale_part_that_ends_meanwhile_is_fetched_too() {
    let world = setup([3, 3, 0]).start().await;
    world.logged_in().await;
    world.post(ACTIVITY, &asking(&[SALES])).await.ok();
    world.advance(secs(4));
    let hold = world.vendor.block_requests("activity");
    let asked = world.begin_post(ACTIVITY, &asking(&[SALES, SUPPORT]));
    in_time(world.vendor.wait_for_requests("activity", 2)).await;
    let purge = serde_json::json!({"queue": SALES, "hard": true}).to_string();
    assert_eq!(world.post_admin("/admin/cache/purge", &purge).await.status, 200);
    world.advance(secs(2));
    hold.release();
    let answer = in_time(asked).await.unwrap().ok();
    assert_eq!(world.queues_asked("activity").swap_remove(2), [SALES]);
    assert_eq!((cache_status(&answer), answer.header("age")), ("fwd=uri-miss; ttl=1; stored", "2"));
}

#[tokio::test]
async fn the_second_wait_ends_with_the_requests_own_time() {
    let mut setup = setup([6, 0, 0]);
    setup.config.upstream.try_timeout = secs(20);
    setup.config.upstream.request_timeout = secs(20);
    let world = setup.start().await;
    let asked = waits(&world, secs(4), secs(12), || world.vendor.enqueue_fault("activity", Fault::Hang)).await;
    in_time(world.vendor.wait_for_requests("activity", 3)).await;
    world.advance(secs(7));
    assert!(!asked.is_finished());
    world.advance(secs(2));
    assert_eq!(in_time(asked).await.unwrap().problem(), "upstream_timeout");
}

/// What is fresh when the second round begins is served, whatever becomes of it in the meantime.
#[tokio::test]
async fn part_fresh_at_the_second_round_is_served() {
    let world = setup([6, 0, 0]).start().await;
    world.logged_in().await;
    let all = world.vendor.queue_ids();
    let (first, second, third) = (all[2].as_str(), all[3].as_str(), all[4].as_str());
    world.post(ACTIVITY, &asking(&[first])).await.ok();
    world.advance(secs(2));
    world.post(ACTIVITY, &asking(&[second])).await.ok();
    let hold = world.vendor.block_requests("activity");
    let asked = world.begin_post(ACTIVITY, &asking(&[first, second, third]));
    in_time(world.vendor.wait_for_requests("activity", 3)).await;
    world.advance(secs(5));
    let again = world.vendor.block_requests("activity");
    hold.release();
    in_time(world.vendor.wait_for_requests("activity", 4)).await;
    world.vendor.enqueue_fault("activity", Fault::Error);
    world.advance(secs(3));
    again.release();
    let answer = in_time(asked).await.unwrap().ok();
    assert_eq!(answer.json()["data"]["result"].as_array().unwrap().len(), 3);
}

/// Issue: `ttl` 3.2 s, each call takes 1.2 s; [a], 1.25 s later [c], 1.25 s later [a, b, c] failed after 2.4 s.
#[tokio::test]
async fn answer_does_not_fail_because_parts_expire() {
    for if_error in [0, 60] {
        let mut setup = setup([3, 0, if_error]);
        setup.config.cache.queue_activity.ttl = Duration::from_millis(3200);
        let world = setup.start().await;
        world.logged_in().await;
        let all = world.vendor.queue_ids();
        let ask = async |ids: &[&str]| {
            let before = world.vendor_calls("activity");
            let asked = world.begin_post(ACTIVITY, &asking(ids));
            for call in 1..=2 {
                let hold = world.vendor.block_requests("activity");
                while world.vendor_calls("activity") < before + call && !asked.is_finished() {
                    tokio::task::yield_now().await;
                }
                world.advance(Duration::from_millis(1200));
                hold.release();
                for _ in 0..200 {
                    tokio::task::yield_now().await;
                }
                if asked.is_finished() {
                    break;
                }
            }
            in_time(asked).await.unwrap().ok()
        };
        ask(&[&all[2]]).await;
        world.advance(Duration::from_millis(50));
        ask(&[&all[4]]).await;
        world.advance(Duration::from_millis(50));
        let answer = ask(&[&all[2], &all[3], &all[4]]).await;
        assert_eq!(answer.json()["data"]["result"].as_array().unwrap().len(), 3);
        assert!(!cache_status(&answer).contains("stale-if-error"), "{}", cache_status(&answer));
    }
}

/// A demand is about what is held when it is made, and no reason to wait once more.
#[tokio::test]
async fn a_demand_for_a_young_answer_is_met_as_it_was_made() {
    let mut setup = setup([60, 0, 0]);
    let key = setup.caller("demanding", |caller| caller.may_refresh());
    let world = setup.start().await;
    world.logged_in().await;
    world.post(ACTIVITY, &asking(&[SALES])).await.ok();
    world.advance(secs(4));
    for (max_age, calls, age) in [("max-age=5", vec![vec![SUPPORT]], "7"), ("max-age=3", vec![vec![SALES]], "3")] {
        let before = world.queues_asked("activity").len();
        let hold = world.vendor.block_requests("activity");
        let ids: &[&str] = if max_age == "max-age=5" { &[SALES, SUPPORT] } else { &[SALES] };
        let request = world.request("POST", ACTIVITY).header("authorization", &key).header("cache-control", max_age);
        let asked = world.begin(request.header("content-type", "application/json").body(asking(ids)));
        in_time(world.vendor.wait_for_requests("activity", before as u64 + 1)).await;
        world.advance(secs(3));
        hold.release();
        let answer = in_time(asked).await.unwrap().ok();
        assert_eq!(answer.header("age"), age, "{max_age}");
        assert_eq!(world.queues_asked("activity").split_off(before), calls, "{max_age}");
    }
}
