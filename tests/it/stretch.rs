//! When the calls that the vendor allows run out, answers are fresh for longer before anybody is refused.

use crate::harness::{Answer, SALES, SUPPORT, Setup, World, rate, secs};

const SUMMARY: &str = "/analytics/runtime/queues/summary";

fn cache_status(answer: &Answer) -> &str {
    answer.header("cache-status").strip_prefix("wesal-gateway; ").unwrap()
}

/// No caller alone can spend a whole budget.
fn five_callers(setup: &mut Setup) -> Vec<String> {
    (1..=5).map(|n| setup.caller(&format!("other{n}"), |_| {})).collect()
}

async fn spend_five_calls(world: &World, callers: &[String]) {
    for (key, company) in callers.iter().zip(100_301..) {
        world.get_as(key, &format!("/survey/queries/questions/{company}")).await.ok();
    }
}

/// Six calls at once, one more each ten seconds; the sixth is spent on a queue's row.
async fn with_a_spent_budget(max_stretch: f64) -> World {
    let mut setup = Setup::default();
    setup.config.upstream.rate_limit = rate(6, 60, 6);
    setup.config.upstream.max_stretch = max_stretch;
    // What is not answered now is not waited for: time stands still here.
    setup.config.upstream.max_wait = std::time::Duration::ZERO;
    let others = five_callers(&mut setup);
    let world = setup.start().await;
    world.logged_in().await;
    spend_five_calls(&world, &others).await;
    let first = ask(&world).await;
    let ttl = 3.0 * max_stretch;
    assert_eq!(cache_status(&first), format!("fwd=uri-miss; ttl={ttl}; stored"));
    world
}

async fn ask(world: &World) -> Answer {
    world.post(SUMMARY, &format!(r#"{{"queues": ["{SALES}"]}}"#)).await.ok()
}

#[tokio::test]
async fn a_short_budget_stretches_a_ttl_and_the_answer_says_so() {
    let world = with_a_spent_budget(3.0).await;
    assert_eq!((world.metric("ttl_stretch").await, world.metric("vendor_budget_remaining").await), (3.0, 0.0));
    let mut now = 0;
    for (age, status) in
        [(2, "hit; ttl=7"), (3, "hit; ttl=6; detail=ttl-stretched"), (8, "hit; ttl=1; detail=ttl-stretched")]
    {
        world.advance(secs(age - now));
        now = age;
        // Twice: the second is the answer as it was put together for the first.
        for _ in 0..2 {
            let answer = ask(&world).await;
            assert_eq!((cache_status(&answer), answer.header("age")), (status, age.to_string().as_str()));
        }
    }
    assert_eq!(world.vendor_calls("summary"), 1);

    world.advance(secs(1));
    assert_eq!(cache_status(&ask(&world).await), "fwd=stale; ttl=-6; detail=stale-if-error", "stretched no further");
    world.advance(secs(1));
    assert_eq!(world.metric("vendor_budget_remaining").await, 1.0);
    let again = ask(&world).await;
    assert!(cache_status(&again).starts_with("fwd=stale; ttl="), "{}", cache_status(&again));
    assert_eq!((again.header("age"), world.vendor_calls("summary")), ("0", 2));
}

#[tokio::test]
async fn a_stretched_part_among_others_is_told_too() {
    let world = with_a_spent_budget(5.0).await;
    world.advance(secs(10));
    let question = format!(r#"{{"queues": ["{SALES}", "{SUPPORT}"]}}"#);
    let mixed = world.post(SUMMARY, &question).await.ok();
    let status = "fwd=uri-miss; ttl=5; stored; detail=\"hit=1 stale=0 fetched=1 stretched=1\"";
    assert_eq!((cache_status(&mixed), mixed.header("age")), (status, "10"));
    let held = world.post(SUMMARY, &question).await.ok();
    assert_eq!(cache_status(&held), "hit; ttl=5; detail=ttl-stretched", "they came in one way");
}

#[tokio::test]
async fn a_budget_that_has_come_back_stretches_nothing() {
    let world = with_a_spent_budget(3.0).await;
    world.advance(secs(30));
    assert_eq!(world.metric("ttl_stretch").await, 1.0);
    assert_eq!(cache_status(&ask(&world).await), "fwd=stale; ttl=5; stored", "four of six are spent again");
    world.advance(secs(60));
    ask(&world).await;
    world.advance(secs(3));
    assert_eq!(cache_status(&ask(&world).await), "fwd=stale; ttl=3; stored");
}

#[tokio::test]
async fn where_it_is_turned_off_a_ttl_is_a_ttl() {
    let world = with_a_spent_budget(1.0).await;
    world.advance(secs(3));
    assert_eq!(cache_status(&ask(&world).await), "fwd=stale; ttl=-1; detail=stale-if-error");
}

/// What is not there, or failed, is looked for again as soon as ever.
#[tokio::test]
async fn what_is_absent_is_not_absent_for_longer() {
    let mut setup = Setup::default();
    setup.config.upstream.rate_limit = rate(2, 600, 2);
    let world = setup.start().await;
    world.logged_in().await;
    world.get("/queries/organization").await.ok();
    world.vendor.set_answer("summary", r#"{"data": {"success": true, "result": []}, "success": true}"#);
    assert_eq!(cache_status(&ask(&world).await), "fwd=uri-miss; ttl=30; stored");
}

/// A part was promised to be fresh for longer; the promise holds although the budget comes back, so that it can be fetched
/// ahead.
#[tokio::test]
async fn who_asks_steadily_does_not_wait_when_the_budget_comes_back() {
    let mut setup = Setup::default();
    setup.config.upstream.rate_limit = rate(60, 60, 6);
    let others = five_callers(&mut setup);
    let world = setup.start().await;
    world.logged_in().await;
    spend_five_calls(&world, &others).await;
    let mut waited = Vec::new();
    for step in 0..200 {
        let answer = ask(&world).await;
        if !cache_status(&answer).starts_with("hit") {
            waited.push((step, cache_status(&answer).to_owned()));
        }
        world.advance(std::time::Duration::from_millis(100));
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
    // The first, and the one that showed that the interest was steady.
    assert!(waited.len() <= 2, "{waited:?}");
}
