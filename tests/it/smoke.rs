use std::time::Duration;

use crate::harness::{SALES, SUPPORT, World};

#[tokio::test]
async fn a_question_list_is_asked_of_the_vendor_once_and_grows_older() {
    let world = World::new().await;
    let first = world.get("/survey/queries/questions/100301").await.ok();
    assert_eq!(first.header("cache-status"), "wesal-gateway; fwd=uri-miss; ttl=3600; stored");
    world.advance(Duration::from_secs(90));
    let second = world.get("/survey/queries/questions/100301").await.ok();
    assert_eq!(second.header("cache-status"), "wesal-gateway; hit; ttl=3510");
    assert_eq!(second.header("age"), "90");
    assert_eq!(first.body, second.body);
    assert_eq!(world.vendor_calls("questions"), 1);
    assert_eq!(world.logins(), (1, 0));
}

#[tokio::test]
async fn queues_come_in_the_order_asked() {
    let world = World::new().await;
    let body = format!(r#"{{"queues": ["{SUPPORT}", "{SALES}", "{SUPPORT}"]}}"#);
    let answer = world.post("/analytics/runtime/queues/summary", &body).await.ok().json();
    let ids: Vec<_> = answer["data"]["result"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect();
    assert_eq!(ids, [SUPPORT, SALES]);
}
