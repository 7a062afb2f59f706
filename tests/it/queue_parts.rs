//! Queue answers in parts: each row belongs to one queue, and whoever asks for it shares it.

use serde_json::Value;
use wesal_simulator::Fault;

use crate::harness::{SALES, SUPPORT, Setup, World, asking, secs, until};

const SUMMARY: &str = "/analytics/runtime/queues/summary";
const ACTIVITY: &str = "/analytics/runtime/queues/activity";

fn ids(answer: &Value, member: &str) -> Vec<String> {
    let rows = answer["data"]["result"].as_array().unwrap();
    rows.iter().map(|row| row[member].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_row_that_somebody_asked_for_is_there_for_all() {
    let world = World::new().await;
    let all = world.vendor.queue_ids();
    let (a, b, c) = (all[2].as_str(), all[3].as_str(), all[4].as_str());
    world.post(SUMMARY, &asking(&[a, b])).await.ok();
    world.advance(secs(1));

    let held = world.post(SUMMARY, &asking(&[b, a])).await.ok();
    assert_eq!(held.header("cache-status"), "wesal-gateway; hit; ttl=2");
    assert_eq!(ids(&held.json(), "id"), [b, a]);

    let mixed = world.post(SUMMARY, &asking(&[c, b, c, a])).await.ok();
    assert_eq!(
        mixed.header("cache-status"),
        "wesal-gateway; fwd=uri-miss; ttl=2; stored; detail=\"hit=2 stale=0 fetched=1\""
    );
    assert_eq!(mixed.header("age"), "1", "the oldest part's");
    assert_eq!(ids(&mixed.json(), "id"), [c, b, a]);
    assert_eq!(world.queues_asked("summary"), [vec![a, b], vec![c]]);
}

#[tokio::test]
async fn what_is_missing_at_the_same_time_travels_together_and_a_hit_never_waits() {
    let mut setup = Setup::default();
    setup.config.limits.max_in_flight = 11.try_into().unwrap();
    let world = setup.start().await;
    world.logged_in().await;
    let all = world.vendor.queue_ids();
    world.post(ACTIVITY, &asking(&[&all[0]])).await.ok();

    let hold = world.vendor.block_requests("activity");
    let first = world.begin_post(ACTIVITY, &asking(&[&all[1]]));
    world.vendor.wait_for_requests("activity", 2).await;
    let held = world.post(ACTIVITY, &asking(&[&all[0]])).await.ok();
    assert!(held.header("cache-status").contains("; hit"), "a hit waits for nobody");
    let gathered: Vec<_> =
        (2..12).map(|i| world.begin_post(ACTIVITY, &asking(&[&all[i], &all[i + 1], &all[1]]))).collect();
    world.is_full().await;
    hold.release();

    first.await.unwrap().ok();
    for answer in gathered {
        answer.await.unwrap().ok();
    }
    let calls = world.queues_asked("activity");
    assert_eq!(calls.len(), 3, "{calls:?}");
    assert_eq!(calls[2].len(), 11, "each id once: {calls:?}");
}

#[tokio::test]
async fn a_large_question_is_several_calls_side_by_side() {
    let mut setup = Setup::default();
    setup.config.upstream.max_queues_per_call = 30.try_into().unwrap();
    let world = setup.start().await;
    world.logged_in().await;
    let all = world.vendor.queue_ids();
    let hold = world.vendor.block_requests("summary");
    let question = serde_json::json!({ "queues": all }).to_string();
    let asked = world.begin_post(SUMMARY, &question);
    world.vendor.wait_for_requests("summary", 4).await;
    hold.release();
    assert_eq!(ids(&asked.await.unwrap().ok().json(), "id"), all);
    let mut sizes: Vec<_> = world.queues_asked("summary").iter().map(Vec::len).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [10, 30, 30, 30]);
}

#[tokio::test]
async fn one_callers_bad_id_fails_nobody_else() {
    let mut setup = Setup::default();
    setup.config.limits.max_in_flight = 3.try_into().unwrap();
    let world = setup.start().await;
    world.logged_in().await;
    let all = world.vendor.queue_ids();
    let hold = world.vendor.block_requests("summary");
    let first = world.begin_post(SUMMARY, &asking(&[&all[0]]));
    world.vendor.wait_for_requests("summary", 1).await;
    let good = world.begin_post(SUMMARY, &asking(&[&all[1], &all[2], &all[3]]));
    let bad = world.begin_post(SUMMARY, &asking(&[&all[4], "no-such-id", &all[5], "no-such-id"]));
    world.is_full().await;
    hold.release();

    first.await.unwrap().ok();
    assert_eq!(ids(&good.await.unwrap().ok().json(), "id").len(), 3);
    let refused = bad.await.unwrap();
    assert_eq!(refused.problem(), "upstream_rejected");
    assert_eq!(refused.pointers(), ["/queues/1", "/queues/3"]);

    let calls = world.vendor_calls("summary");
    assert_eq!(world.post(SUMMARY, &asking(&["no-such-id"])).await.problem(), "upstream_rejected");
    assert_eq!(world.vendor_calls("summary"), calls, "it is remembered");
    world.advance(secs(30));
    assert_eq!(world.post(SUMMARY, &asking(&["no-such-id"])).await.problem(), "upstream_rejected");
    assert_eq!(world.vendor_calls("summary"), calls + 1, "and asked for again");
}

#[tokio::test]
async fn an_absent_queue_is_remembered_as_absent() {
    let world = World::new().await;
    let unknown = "00000000-0000-0000-0000-000000000000";
    for _ in 0..3 {
        let answer = world.post(ACTIVITY, &asking(&[unknown, SALES])).await.ok();
        assert_eq!(ids(&answer.json(), "queueId"), [SALES]);
        world.advance(secs(4));
    }
    let calls = world.queues_asked("activity");
    assert_eq!(calls.iter().filter(|ids| ids.contains(&unknown.to_owned())).count(), 1, "{calls:?}");
    world.advance(secs(30));
    assert_eq!(ids(&world.post(ACTIVITY, &asking(&[unknown])).await.ok().json(), "queueId"), Vec::<String>::new());
}

#[tokio::test]
async fn rows_are_found_whatever_the_vendor_does_to_their_order_number_and_spelling() {
    for fault in [Fault::ReorderedIds, Fault::DoubledIds, Fault::UpperIds, Fault::ExtraIds] {
        let world = World::new().await;
        world.vendor.enqueue_fault("activity", fault);
        let answer = world.post(ACTIVITY, &asking(&[SUPPORT, SALES])).await.ok().json();
        let found: Vec<_> = ids(&answer, "queueId").iter().map(|id| id.to_lowercase()).collect();
        assert_eq!(found, [SUPPORT, SALES], "{fault}");
        assert_eq!(world.vendor_calls("activity"), 1, "{fault}");
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_taken_apart_is_passed_on_whole() {
    let world = World::new().await;
    let odd = r#"{"data":{"success":true,"result":[{"queueId":"x","n":1},{"queueId":"x","n":2}, 7]},"success":true}"#;
    world.vendor.set_answer("activity", odd);
    assert_eq!(world.post(ACTIVITY, &asking(&[SALES, SUPPORT])).await.ok().text(), odd);
    assert_eq!(world.vendor_calls("activity"), 2, "once in parts, once whole");
    assert_eq!(world.post(ACTIVITY, &asking(&[SALES, SUPPORT])).await.ok().text(), odd);
    assert_eq!(world.vendor_calls("activity"), 2, "it is held whole");
    world.vendor.clear_answer("activity");
    world.advance(secs(60));
    assert_eq!(ids(&world.post(ACTIVITY, &asking(&[SALES])).await.ok().json(), "queueId"), [SALES]);
    assert_eq!(ids(&world.post(ACTIVITY, &asking(&[SUPPORT, SALES])).await.ok().json(), "queueId"), [SUPPORT, SALES]);
    assert_eq!(world.vendor_calls("activity"), 4, "in parts again");
}

#[tokio::test]
async fn a_steady_wallboard_never_waits_and_costs_a_call_a_ttl() {
    let world = World::new().await;
    let question = asking(&[SALES, SUPPORT]);
    world.post(SUMMARY, &question).await.ok();
    world.advance(secs(1));
    world.post(SUMMARY, &question).await.ok();
    // The second miss makes the interest known; from then on it is refreshed ahead.
    world.advance(secs(2));
    world.post(SUMMARY, &question).await.ok();
    assert_eq!(world.vendor_calls("summary"), 2);
    for second in 0..60 {
        world.advance(secs(1));
        if second % 3 == 2 {
            // Its time has come: the refresh is under way before anybody asks.
            let calls = world.vendor_calls("summary");
            until(|| world.vendor_calls("summary") > calls || calls >= 22).await;
        }
        let answer = world.post(SUMMARY, &question).await.ok();
        let status = answer.header("cache-status").to_owned();
        assert!(status.contains("; hit") || status.contains("collapsed"), "second {second}: {status}");
    }
    let calls = world.vendor_calls("summary");
    assert!((20..=23).contains(&calls), "{calls} calls in 60 s");

    // Nobody asks any more: interest ends, and with it the calls.
    for _ in 0..20 {
        world.advance(secs(3));
        world.get("/auth/logout").await.ok();
    }
    let after = world.vendor_calls("summary");
    assert!(after <= calls + 4, "{} calls for nobody", after - calls);
}

#[tokio::test]
async fn an_answer_that_can_no_longer_be_taken_apart_is_not_asked_for_again_and_again() {
    let world = World::new().await;
    let question = asking(&[SALES, SUPPORT]);
    for _ in 0..4 {
        world.post(ACTIVITY, &question).await.ok();
        world.advance(secs(1));
    }
    world.vendor.set_answer("activity", r#"{"data":{"success":true,"result":[7]},"success":true}"#);
    let calls = world.vendor_calls("activity");
    for _ in 0..12 {
        world.advance(secs(1));
        world.post(ACTIVITY, &question).await.ok();
        (0..20).for_each(|_| assert!(world.vendor_calls("activity") - calls < 12, "a loop of vendor calls"));
    }
}

#[tokio::test]
async fn a_vendor_that_minds_the_question_and_not_the_ids_is_not_asked_about_each() {
    let world = World::new().await;
    let all = world.vendor.queue_ids();
    (0..200).for_each(|_| world.vendor.enqueue_fault("summary", Fault::Refused));
    let question = serde_json::json!({ "queues": all }).to_string();
    let refused = world.post(SUMMARY, &question).await;
    assert_eq!(refused.problem(), "upstream_rejected");
    let calls = world.vendor_calls("summary");
    // Two for each halving, and four.
    let most = 2 * u64::from(all.len().ilog2()) + 5;
    assert!(calls <= most, "{calls} calls for {} ids", all.len());
    assert_eq!(world.post(SUMMARY, &question).await.problem(), "upstream_rejected");
    assert_eq!(world.vendor_calls("summary"), calls, "and it is remembered");
}

#[tokio::test]
async fn an_id_that_was_refused_before_goes_alone() {
    let world = World::new().await;
    let bad = asking(&["no-such-id"]);
    world.post(SUMMARY, &bad).await.problem();
    world.advance(secs(31));
    let mixed = world.post(SUMMARY, &asking(&[SALES, "no-such-id", SUPPORT])).await;
    assert_eq!(mixed.pointers(), ["/queues/1"]);
    let mut calls = world.queues_asked("summary");
    calls.drain(..1);
    calls.sort_by_key(Vec::len);
    assert_eq!(calls, [vec!["no-such-id"], vec![SALES, SUPPORT]], "no call of others was refused");
}

#[tokio::test]
async fn rows_that_cannot_be_told_apart_are_kept_from_who_may_see_some_only() {
    let mut setup = Setup::default();
    let some = setup.caller("some", |caller| caller.queues(&[SALES]));
    let world = setup.start().await;
    let odd = r#"{"data":{"success":true,"result":[{"queueId":"foreign","n":1},7]},"success":true}"#;
    world.vendor.set_answer("activity", odd);
    assert_eq!(world.post_as(&some, ACTIVITY, &asking(&[SALES])).await.problem(), "upstream_invalid_response");
    assert_eq!(world.post(ACTIVITY, &asking(&[SALES])).await.ok().text(), odd);
    assert_eq!(world.post_as(&some, ACTIVITY, &asking(&[SALES])).await.problem(), "upstream_invalid_response");
}

#[tokio::test]
async fn one_callers_many_bad_ids_refuse_nobody_else() {
    let mut setup = Setup::default();
    setup.config.limits.max_in_flight = 3.try_into().unwrap();
    let world = setup.start().await;
    world.logged_in().await;
    let all = world.vendor.queue_ids();
    let garbage: Vec<String> = (0..20).map(|i| format!("bad-{i}")).collect();
    let hold = world.vendor.block_requests("summary");
    let first = world.begin_post(SUMMARY, &asking(&[&all[0]]));
    world.vendor.wait_for_requests("summary", 1).await;
    let bad = world.begin_post(SUMMARY, &serde_json::json!({ "queues": garbage }).to_string());
    let good = world.begin_post(SUMMARY, &asking(&[&all[1], &all[2]]));
    world.is_full().await;
    hold.release();

    first.await.unwrap().ok();
    assert_eq!(bad.await.unwrap().problem(), "upstream_rejected");
    assert_eq!(ids(&good.await.unwrap().ok().json(), "id"), [&*all[1], &*all[2]]);
}

#[tokio::test]
async fn a_question_with_an_id_that_is_known_to_be_refused_costs_no_call() {
    let world = World::new().await;
    world.post(SUMMARY, &asking(&["no-such-id"])).await.problem();
    let refused = world.post(SUMMARY, &asking(&[SALES, "no-such-id"])).await;
    assert_eq!((refused.problem().as_str(), refused.pointers()), ("upstream_rejected", vec!["/queues/1".to_owned()]));
    assert_eq!(world.vendor_calls("summary"), 1);
}
