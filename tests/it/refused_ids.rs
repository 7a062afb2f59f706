//! Calls that the vendor refuses for some of the ids in them: who else waits neither for them, nor is refused with them.

use tokio::task::JoinHandle;

use crate::harness::{Act, Answer, FaultProxy, SALES, SUPPORT, Setup, World, asking, http, in_time, secs};

const SUMMARY: &str = "/analytics/runtime/queues/summary";

fn bad(number: usize) -> Vec<String> {
    (0..number).map(|i| format!("bad-{i}")).collect()
}

fn ids(answer: &Answer) -> Vec<String> {
    let answer = answer.json();
    answer["data"]["result"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

fn begin_as(world: &World, key: &str, body: &str) -> JoinHandle<Answer> {
    let request = world.request("POST", SUMMARY).header("authorization", key);
    world.begin(request.header("content-type", "application/json").body(body.to_owned()))
}

/// A world in which a call with bad ids has been refused, and the first of its halves is not answered.
async fn one_call_is_being_taken_apart(setup: Setup, ids: &[String]) -> (World, JoinHandle<Answer>) {
    let mut setup = setup;
    setup.proxy = Some(FaultProxy::new().await);
    let world = setup.start().await;
    world.logged_in().await;
    let proxy = world.proxy.as_ref().unwrap();
    proxy.next("summary", [Act::Pass, Act::Silence]);
    let all = world.begin_post(SUMMARY, &asking(ids));
    proxy.arrived("summary", 2).await;
    (world, all)
}

#[tokio::test]
async fn who_joins_a_flight_is_not_refused_for_anothers_bad_ids() {
    let mut setup = Setup::default();
    setup.config.limits.max_in_flight = 2.try_into().unwrap();
    let narrow = setup.caller("narrow", |caller| caller.queues(&[SALES]));
    let world = setup.start().await;
    world.logged_in().await;
    let hold = world.vendor.block_requests("summary");
    let mut wanted = bad(20);
    wanted.push(SALES.to_owned());
    let all = world.begin_post(SUMMARY, &asking(&wanted));
    world.vendor.wait_for_requests("summary", 1).await;
    let narrow = begin_as(&world, &narrow, &asking(&[SALES]));
    world.is_full().await;
    hold.release();

    let answer = in_time(narrow).await.unwrap().ok();
    assert_eq!(ids(&answer), [SALES]);
    assert_eq!(in_time(all).await.unwrap().problem(), "upstream_rejected");
}

#[tokio::test]
async fn who_joins_a_flight_with_as_large_a_question_is_not_refused_either() {
    let mut setup = Setup::default();
    setup.config.limits.max_in_flight = 2.try_into().unwrap();
    let world = setup.start().await;
    world.logged_in().await;
    let queues = world.vendor.queue_ids();
    let hold = world.vendor.block_requests("summary");
    let wanted: Vec<String> = bad(20).into_iter().chain(queues[..4].to_vec()).collect();
    let all = world.begin_post(SUMMARY, &asking(&wanted));
    world.vendor.wait_for_requests("summary", 1).await;
    let other = world.begin_post(SUMMARY, &asking(&queues[..24]));
    world.is_full().await;
    hold.release();

    assert_eq!(ids(&in_time(other).await.unwrap().ok()), queues[..24]);
    assert_eq!(in_time(all).await.unwrap().problem(), "upstream_rejected");
}

#[tokio::test]
async fn who_asks_for_something_else_does_not_wait_for_a_refused_call() {
    let (world, all) = one_call_is_being_taken_apart(Setup::default(), &bad(4)).await;
    let good = in_time(world.post(SUMMARY, &asking(&[SALES]))).await.ok();
    assert_eq!(ids(&good), [SALES]);
    // What is asked for steadily is still fetched ahead.
    for seconds in [1, 2] {
        world.advance(secs(seconds));
        in_time(world.post(SUMMARY, &asking(&[SALES]))).await.ok();
    }
    world.advance(secs(3));
    in_time(world.proxy.as_ref().unwrap().arrived("summary", 5)).await;
    assert!(!all.is_finished());
}

#[tokio::test]
async fn who_wants_a_fresher_answer_than_a_refused_call_brings_holds_up_nobody() {
    let mut setup = Setup::default();
    let demanding = setup.caller("demanding", |caller| caller.may_refresh());
    let (world, all) = one_call_is_being_taken_apart(setup, &bad(4)).await;
    // Some of it is in the call that is under way.
    let request = world.request("POST", SUMMARY).header("authorization", demanding).header("cache-control", "no-cache");
    let fresher = world.begin(request.header("content-type", "application/json").body(asking(&bad(4))));
    in_time(world.proxy.as_ref().unwrap().arrived("summary", 3)).await;
    assert_eq!(ids(&in_time(world.post(SUMMARY, &asking(&[SALES]))).await.ok()), [SALES]);
    assert!(!all.is_finished());
    drop(fresher);
}

#[tokio::test]
async fn bisection_in_progress_delays_no_request_for_its_ids() {
    let mut wanted = bad(4);
    wanted.push(SALES.to_owned());
    wanted.push(SUPPORT.to_owned());
    let (world, all) = one_call_is_being_taken_apart(Setup::default(), &wanted).await;
    let good = in_time(world.post(SUMMARY, &asking(&[SALES]))).await.ok();
    assert_eq!(ids(&good), [SALES]);
    assert!(!all.is_finished());
    let calls = world.queues_asked("summary");
    assert!(calls.contains(&vec![SALES.to_owned()]), "{calls:?}");
}

#[tokio::test]
async fn many_bad_ids_of_one_caller_cost_another_neither_its_answer_nor_a_long_wait() {
    let mut setup = Setup::default();
    setup.config.limits.max_in_flight = 3.try_into().unwrap();
    let world = setup.start().await;
    world.logged_in().await;
    let all = world.vendor.queue_ids();
    let hold = world.vendor.block_requests("summary");
    let first = world.begin_post(SUMMARY, &asking(&all[..1]));
    world.vendor.wait_for_requests("summary", 1).await;
    // Every other one is gone: more than the calls for it suffice for.
    let mixed: Vec<String> = bad(49).into_iter().zip(all[3..].to_vec()).flat_map(|(bad, good)| [bad, good]).collect();
    let wide = world.begin_post(SUMMARY, &asking(&mixed));
    let narrow = world.begin_post(SUMMARY, &asking(&all[1..3]));
    world.is_full().await;
    hold.release();
    in_time(first).await.unwrap().ok();
    assert_eq!(ids(&in_time(narrow).await.unwrap().ok()), all[1..3]);
    // Those that were found bad by then are told, though others were not got at.
    assert_eq!(in_time(wide).await.unwrap().problem(), "upstream_rejected");
    let calls = world.vendor_calls("summary");
    assert!(calls <= 3 + 17, "{calls} calls");
}

#[tokio::test]
async fn what_goes_along_in_a_refused_call_is_refreshed_all_the_same() {
    let world = World::new().await;
    // More than the bad ids, so that to ask for the fewest first does not suffice.
    let hot = asking(&world.vendor.queue_ids()[..30]);
    // The second miss makes the interest known.
    for seconds in [1, 2, 2] {
        world.post(SUMMARY, &hot).await.ok();
        world.advance(secs(seconds));
    }
    assert_eq!(world.post(SUMMARY, &asking(&bad(20))).await.problem(), "upstream_rejected");
    let calls = world.queues_asked("summary");
    assert!(calls[2].len() == 50, "they went along: {calls:?}");
    world.advance(secs(2));
    let held = world.post(SUMMARY, &hot).await.ok();
    assert_eq!(held.header("cache-status"), "wesal-gateway; hit; ttl=1");
}

/// Each call holds 10 ids, so that 50 calls are needed before any id is known to be bad.
#[tokio::test]
async fn calls_for_bad_ids_in_small_calls_are_bounded() {
    const BAD: [usize; 5] = [7, 123, 255, 256, 499];
    let mut setup = Setup::default();
    setup.config.upstream.max_queues_per_call = 10.try_into().unwrap();
    setup.proxy = Some(FaultProxy::new().await);
    let world = setup.start().await;
    world.logged_in().await;
    let proxy = world.proxy.as_ref().unwrap();
    let empty = http("200 OK", &[], r#"{"data":{"success":true,"result":[]},"success":true}"#);
    proxy.always("summary", Act::when(|asked| !asked.body.contains("bad"), Act::say(empty)));
    // The ids of the first request leave in batches, those of the second in calls of their own, as the first was rejected.
    for name in ["first", "second"] {
        let id = |place| if BAD.contains(&place) { format!("bad-{name}-{place}") } else { format!("{name}-{place}") };
        let wanted: Vec<String> = (0..500).map(id).collect();
        let before = proxy.calls("summary");
        let answer = in_time(world.post(SUMMARY, &asking(&wanted))).await;
        assert_eq!(answer.problem(), "upstream_rejected");
        let (found, bad) = (answer.pointers(), BAD.map(|place| format!("/queues/{place}")));
        assert!(!found.is_empty() && found.iter().all(|found| bad.contains(found)), "{name}: {found:?}");
        let calls = proxy.calls("summary") - before;
        assert!(calls <= 50 + 8, "{name}: {calls} calls");
    }
}
