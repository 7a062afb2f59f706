//! What the vendor writes around the rows (CONTRACT 5.13): shown to callers that may see all queues, and only while it does
//! not depend on the ids of a call.

use serde_json::{Value, json};

use crate::harness::{Act, Answer, FaultProxy, SALES, SUPPORT, Setup, World, asking, http, secs};

const ACTIVITY: &str = "/analytics/runtime/queues/activity";

/// A vendor that adds what `member` makes of the number of rows, and a caller that may see one queue.
async fn vendor_that_adds(member: fn(usize) -> Value) -> (World, String) {
    let mut setup = Setup::default();
    let restricted = setup.caller("restricted", |caller| caller.queues(&[SALES]));
    setup.proxy = Some(FaultProxy::new().await);
    let world = setup.start().await;
    world.logged_in().await;
    let change = move |body: String| {
        let mut answer: Value = serde_json::from_str(&body).unwrap();
        let Some(rows) = answer["data"]["result"].as_array().map(Vec::len) else { return body };
        answer["data"]["total"] = member(rows);
        answer["more"] = member(rows);
        answer.to_string()
    };
    world.proxy.as_ref().unwrap().always("activity", Act::change(change));
    (world, restricted)
}

fn members(answer: &Answer) -> (Vec<String>, Vec<String>) {
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let answer = answer.json();
    (names(&answer), names(&answer["data"]))
}

#[tokio::test]
async fn restricted_caller_gets_no_other_envelope_member() {
    let (world, restricted) = vendor_that_adds(|_| "constant".into()).await;
    let all = world.post(ACTIVITY, &asking(&[SALES, SUPPORT])).await.ok();
    assert_eq!(all.json()["data"]["total"], "constant", "those of its own call");
    let same = world.post(ACTIVITY, &asking(&[SALES])).await.ok();
    assert!(same.json()["more"].is_null(), "it may depend on the ids");
    let third = world.vendor.queue_ids()[2].clone();
    world.post(ACTIVITY, &asking(&[&third])).await.ok();
    // Twice: the second is the answer as it was joined for the first.
    for _ in 0..3 {
        let one = world.post_as(&restricted, ACTIVITY, &asking(&[SALES])).await.ok();
        assert_eq!(members(&one).0, ["data", "success"]);
        assert_eq!(members(&one).1, ["result", "success"]);
        assert_eq!(one.json()["data"]["result"].as_array().unwrap().len(), 1);
        let same = world.post(ACTIVITY, &asking(&[SALES, &third])).await.ok();
        assert_eq!(same.json()["more"], "constant", "it is known to be constant");
    }
    assert_eq!(world.vendor_calls("activity"), 2);
}

#[tokio::test]
async fn envelope_that_depends_on_the_ids_makes_whole_documents() {
    let (world, restricted) = vendor_that_adds(|rows| rows.into()).await;
    world.post(ACTIVITY, &asking(&[SALES])).await.ok();
    let third = world.vendor.queue_ids()[2].clone();
    let both = world.post(ACTIVITY, &asking(&[&third, SUPPORT])).await.ok();
    assert_eq!((both.json()["data"]["total"].as_u64(), both.json()["more"].as_u64()), (Some(2), Some(2)));
    for (ids, total) in [(&[SUPPORT][..], 1), (&[SUPPORT, SALES], 2), (&[SALES], 1)] {
        let answer = world.post(ACTIVITY, &asking(ids)).await.ok();
        assert_eq!(answer.json()["data"]["total"], total, "{ids:?}");
        assert_eq!(answer.json()["data"]["result"].as_array().unwrap().len(), ids.len());
    }
    let one = world.post_as(&restricted, ACTIVITY, &asking(&[SALES])).await.ok();
    assert_eq!(
        members(&one),
        (vec!["data".to_owned(), "success".to_owned()], vec!["result".to_owned(), "success".to_owned()])
    );
    let metric = "not_taken_apart_total{route=\"/analytics/runtime/queues/activity\"}";
    assert!(world.metric(metric).await >= 1.0);
}

/// Turns whole mode on: the envelope depends on the ids of a call.
async fn whole_mode_is_on() -> World {
    let (world, _) = vendor_that_adds(|rows| rows.into()).await;
    let third = world.vendor.queue_ids()[2].clone();
    world.post(ACTIVITY, &asking(&[SALES])).await.ok();
    world.post(ACTIVITY, &asking(&[&third, SUPPORT])).await.ok();
    world
}

#[tokio::test]
async fn whole_document_with_foreign_rows_only_is_a_502() {
    let world = whole_mode_is_on().await;
    let proxy = world.proxy.as_ref().unwrap();
    let ids = world.vendor.queue_ids();
    let row = |id: &str| json!({"success": true, "queueId": id, "data": {}});
    let foreign = json!({"data": {"success": true, "result": [row(&ids[5]), row(&ids[6])]}, "success": true});
    proxy.next("activity", (0..2).map(|_| Act::say(http("200 OK", &[], foreign.to_string()))));
    let asked = asking(&ids[2..5]);
    // Twice: the first is not cached.
    for _ in 0..2 {
        assert_eq!(world.post(ACTIVITY, &asked).await.problem(), "upstream_invalid_response");
    }
    let answer = world.post(ACTIVITY, &asked).await.ok();
    assert_eq!((answer.json()["more"].as_u64(), answer.header("age")), (Some(3), "0"));
    assert_eq!(proxy.calls("activity"), 5);
    // A stale document is served in its place.
    world.advance(secs(4));
    proxy.next("activity", [Act::say(http("200 OK", &[], foreign.to_string()))]);
    let stale = world.post(ACTIVITY, &asked).await.ok();
    assert_eq!((stale.text(), stale.header("age")), (answer.text(), "4"));
}

#[tokio::test]
async fn rejected_whole_document_names_the_bad_ids() {
    let world = whole_mode_is_on().await;
    let before = world.vendor_calls("activity");
    let [good, other] = [2, 3].map(|n| world.vendor.queue_ids()[n].clone());
    // The second request finds the bad id in the cache.
    for calls in [2, 0] {
        let before = world.vendor_calls("activity");
        let answer = world.post(ACTIVITY, &asking(&[&good, "bad", &good])).await;
        assert_eq!((answer.status, answer.problem().as_str()), (400, "upstream_rejected"));
        assert_eq!(answer.pointers(), ["/queues/1"]);
        assert_eq!(world.vendor_calls("activity") - before, calls);
    }
    let answer = world.post(ACTIVITY, &asking(&[&other, "bad"])).await;
    assert_eq!((answer.problem().as_str(), answer.pointers()), ("upstream_rejected", vec!["/queues/1".to_owned()]));
    assert_eq!(world.vendor_calls("activity") - before, 2);
    let answer = world.post(ACTIVITY, &asking(&["worse", "worse"])).await;
    assert_eq!((answer.problem().as_str(), answer.pointers().len()), ("upstream_rejected", 2));
    assert_eq!(world.post(ACTIVITY, &asking(&[&good, &other])).await.ok().json()["more"], 2);
}

/// The vendor writes a row without an id, so that no row can be given to anybody.
#[tokio::test]
async fn rejected_unsplittable_document_names_the_bad_ids() {
    let mut setup = Setup::default();
    setup.proxy = Some(FaultProxy::new().await);
    let world = setup.start().await;
    world.logged_in().await;
    let change = |body: String| {
        let mut answer: Value = serde_json::from_str(&body).unwrap();
        if let Some(rows) = answer["data"]["result"].as_array_mut() {
            rows.push(json!({"success": true}));
        }
        answer.to_string()
    };
    world.proxy.as_ref().unwrap().always("activity", Act::change(change));
    world.post(ACTIVITY, &asking(&[SALES])).await.ok();
    let before = world.vendor_calls("activity");
    let ids: Vec<String> = world.vendor.queue_ids()[..63].to_vec().into_iter().chain(["bad".to_owned()]).collect();
    let answer = world.post(ACTIVITY, &asking(&ids)).await;
    assert_eq!((answer.problem().as_str(), answer.pointers()), ("upstream_rejected", vec!["/queues/63".to_owned()]));
    let calls = world.vendor_calls("activity") - before;
    assert!(calls <= 16, "{calls} calls");
}
