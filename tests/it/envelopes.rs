//! What the vendor writes around the rows (CONTRACT 5.13): shown to callers that may see all queues, and only while it does
//! not depend on the ids of a call.

use serde_json::Value;

use crate::harness::{Act, Answer, FaultProxy, SALES, SUPPORT, Setup, World, asking};

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
        let rows = answer["data"]["result"].as_array().unwrap().len();
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
