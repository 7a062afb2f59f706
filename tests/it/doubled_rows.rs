//! Of which queue it is not known which row is its: who asks for that one learns so, and nobody else.

use serde_json::json;

use crate::harness::{Answer, SALES, SUPPORT, Setup, World, asking, in_time, secs};

const ACTIVITY: &str = "/analytics/runtime/queues/activity";

fn row(id: &str, n: u32) -> String {
    json!({"success": true, "queueId": id, "n": n}).to_string()
}

fn answer(rows: &[String]) -> String {
    format!(r#"{{"data":{{"success":true,"result":[{}]}},"success":true}}"#, rows.join(","))
}

/// The `n` of each row, in their order.
fn told(answer: &Answer) -> Vec<u64> {
    let answer = answer.json();
    answer["data"]["result"].as_array().unwrap().iter().map(|row| row["n"].as_u64().unwrap()).collect()
}

/// One app that sees all, and two that see a queue each.
async fn with_narrow_callers() -> (World, String, String) {
    let mut setup = Setup::default();
    setup.config.limits.max_in_flight = 3.try_into().unwrap();
    let sales = setup.caller("sales", |caller| caller.queues(&[SALES]));
    let support = setup.caller("support", |caller| caller.queues(&[SUPPORT]));
    let world = setup.start().await;
    world.logged_in().await;
    (world, sales, support)
}

#[tokio::test]
async fn a_doubled_row_of_one_app_fails_no_other_app() {
    let (world, sales, support) = with_narrow_callers().await;
    let third = world.vendor.queue_ids()[2].clone();
    world.vendor.set_answer("activity", answer(&[row(SUPPORT, 1)]));
    world.post_as(&support, ACTIVITY, &asking(&[SUPPORT])).await.ok();
    world.advance(secs(4));

    // While one call is under way the two gather for the next.
    let hold = world.vendor.block_requests("activity");
    let first = world.begin_post(ACTIVITY, &asking(&[&third]));
    in_time(world.vendor.wait_for_requests("activity", 2)).await;
    let begin = |key: &str, id: &str| {
        let request = world.request("POST", ACTIVITY).header("authorization", key);
        world.begin(request.header("content-type", "application/json").body(asking(&[id])))
    };
    let (of_sales, of_support) = (begin(&sales, SALES), begin(&support, SUPPORT));
    world.is_full().await;
    world.vendor.set_answer("activity", answer(&[row(SALES, 1), row(SUPPORT, 2), row(SALES, 2), row(&third, 3)]));
    hold.release();

    first.await.unwrap().ok();
    assert_eq!(told(&of_support.await.unwrap().ok()), [2], "its row is in no doubt");
    assert_eq!(of_sales.await.unwrap().problem(), "upstream_invalid_response");
    let mut together = world.queues_asked("activity").pop().unwrap();
    together.sort();
    assert_eq!((world.vendor_calls("activity"), together), (3, vec![SALES.to_owned(), SUPPORT.to_owned()]));
    let held = world.post_as(&support, ACTIVITY, &asking(&[SUPPORT])).await.ok();
    assert_eq!(held.header("cache-status"), "wesal-gateway; hit; ttl=3", "and is kept");
    assert_eq!(world.metric("not_taken_apart_total{route=\"/analytics/runtime/queues/activity\"}").await, 1.0);
}

/// Where no row is anybody's for sure, and where a queue's own is doubled.
#[tokio::test]
async fn what_an_app_had_stands_in_for_a_row_in_doubt() {
    for doubtful in [vec![row(SUPPORT, 2), "7".to_owned()], vec![row(SUPPORT, 2), row(SUPPORT, 3)]] {
        let (world, sales, support) = with_narrow_callers().await;
        world.vendor.set_answer("activity", answer(&[row(SUPPORT, 1)]));
        world.post_as(&support, ACTIVITY, &asking(&[SUPPORT])).await.ok();
        world.advance(secs(4));
        world.vendor.set_answer("activity", answer(&doubtful));
        let stale = world.post_as(&support, ACTIVITY, &asking(&[SUPPORT])).await.ok();
        assert_eq!(stale.header("cache-status"), "wesal-gateway; fwd=stale; ttl=-1; detail=stale-if-error");
        assert_eq!(told(&stale), [1]);
        if doubtful[1] == "7" {
            let nothing_held = world.post_as(&sales, ACTIVITY, &asking(&[SALES])).await;
            assert_eq!(nothing_held.problem(), "upstream_invalid_response");
        }
        // 30 s after it ceased to be fresh it is gone.
        world.advance(secs(29));
        let gone = world.post_as(&support, ACTIVITY, &asking(&[SUPPORT])).await;
        assert_eq!(gone.problem(), "upstream_invalid_response", "{doubtful:?}");
    }
}

#[tokio::test]
async fn who_may_see_all_gets_all_rows_as_they_came_and_clear_ones_are_shared() {
    let (world, _, support) = with_narrow_callers().await;
    let third = world.vendor.queue_ids()[2].clone();
    let odd = answer(&[row(SALES, 1), row(SUPPORT, 2), row(SALES, 3), row(&third, 4)]);
    world.vendor.set_answer("activity", odd.clone());
    let question = asking(&[&third, SALES, SUPPORT]);
    assert_eq!(world.post(ACTIVITY, &question).await.ok().text(), odd);
    assert_eq!(world.queues_asked("activity").pop().unwrap(), [&third, SALES, SUPPORT], "in the order asked");
    assert_eq!(world.vendor_calls("activity"), 2, "once in parts, once whole");
    assert_eq!(world.post(ACTIVITY, &question).await.ok().text(), odd);
    let clear = world.post_as(&support, ACTIVITY, &asking(&[SUPPORT])).await.ok();
    assert_eq!((clear.header("cache-status"), told(&clear)), ("wesal-gateway; hit; ttl=3", vec![2]));
    assert_eq!(world.vendor_calls("activity"), 2);
}
