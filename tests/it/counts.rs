//! How often the vendor is asked at the worst of times, counted over many callers or many minutes.

use futures_util::future::join_all;
use tokio::task::yield_now;

use crate::harness::{Act, Answer, FaultProxy, Setup, World, secs};

const CALLERS: u32 = 1000;
const TEN_MINUTES: u64 = 600;

/// Each with a question of its own, so that nothing but the login can be shared.
async fn all_ask(world: &World, callers: u32, round: u64) -> Vec<Answer> {
    let ask = |n| async move { world.get(&format!("/survey/queries/questions/100301?n={round}-{n}")).await };
    join_all((0..callers).map(ask)).await
}

fn with_a_number() -> Setup {
    let mut setup = Setup::default();
    setup.config.upstream.forward_query.push("n".to_owned());
    setup
}

/// Lets what a second set off come to its end.
async fn a_second_passes(world: &World) {
    world.advance(secs(1));
    for _ in 0..20 {
        yield_now().await;
    }
}

#[tokio::test]
async fn a_thousand_callers_at_the_moment_of_a_tokens_end_cost_one_login() {
    let mut setup = with_a_number();
    setup.vendor.token_ttl = Some(secs(100));
    // The next login is due only when the token ends.
    setup.config.upstream.login.refresh_ahead = 1.0;
    setup.config.limits.max_in_flight = (CALLERS as usize).try_into().unwrap();
    let world = setup.start().await;
    world.logged_in().await;
    // It takes as long as it takes for all of them to come.
    let login = world.vendor.block_requests("login");
    world.advance(secs(100));
    let asked: Vec<_> =
        (0..CALLERS).map(|n| world.begin_get(&format!("/survey/queries/questions/100301?n={n}"))).collect();
    world.is_full().await;
    login.release();
    for answer in join_all(asked).await {
        answer.unwrap().ok();
    }
    assert_eq!((world.logins(), world.vendor_calls("login")), ((2, 0), 2));
    assert_eq!(world.vendor_calls("questions"), u64::from(CALLERS), "some call was made with a token that had ended");
}

#[tokio::test]
async fn a_wrong_password_costs_five_logins_in_ten_minutes_whoever_asks() {
    let world = with_a_number().start().await;
    world.vendor.set_password("another one");
    // The first at once, then after 30, 60, 120 and 240 s; the next wait is 480 s.
    let due = [0, 30, 90, 210, 450];
    for second in 0..TEN_MINUTES {
        let callers = if [0, 450].contains(&second) { CALLERS } else { 1 };
        for answer in all_ask(&world, callers, second).await {
            assert_eq!((answer.status, answer.problem().as_str()), (503, "upstream_login_failed"), "at {second} s");
        }
        let logins = due.into_iter().filter(|at| *at <= second).count() as u64;
        assert_eq!(world.logins(), (0, logins), "at {second} s");
        a_second_passes(&world).await;
    }
    assert_eq!(world.vendor_calls("questions"), 0);
}

#[tokio::test]
async fn an_outage_of_ten_minutes_costs_a_probe_a_pause_and_few_calls_more() {
    let mut setup = with_a_number();
    setup.proxy = Some(FaultProxy::new().await);
    let world = setup.start().await;
    let proxy = world.proxy.as_ref().unwrap();
    world.logged_in().await;
    world.advance(secs(10));
    let down = || Act::say(crate::harness::http("503 Service Unavailable", &[], "<html>down</html>"));
    proxy.always("questions", down());

    const ASKING: u32 = 4;
    // The questions that came while the breaker was closed, and those that it turned away.
    let (mut admitted, mut turned_away) = (0, 0);
    // When calls were let through while it was open, and how many.
    let mut probes = Vec::new();
    for second in 0..TEN_MINUTES {
        let before = proxy.calls("questions");
        let was_open = turned_away > 0;
        for answer in world.passing(all_ask(&world, ASKING, second)).await {
            match answer.problem().as_str() {
                "upstream_error" => {}
                "upstream_unavailable" => turned_away += 1,
                other => panic!("{other} at {second} s"),
            }
        }
        let calls = proxy.calls("questions") - before;
        match was_open {
            false => admitted += u64::from(ASKING),
            true if calls > 0 => probes.push((second, calls)),
            true => {}
        }
        a_second_passes(&world).await;
    }
    // Ten further tries may be made before they must be earned.
    let most = admitted * 12 / 10 + 10 + probes.len() as u64;
    let calls = proxy.calls("questions");
    assert!(admitted < 20 && calls <= most, "{calls} calls, {admitted} admitted questions");
    // A pause of 5 s, then of 8 s each.
    assert!((65..=76).contains(&probes.len()), "{probes:?}");
    assert!(probes.iter().all(|(_, calls)| *calls == 1), "{probes:?}");
    let pauses: Vec<_> = probes.windows(2).map(|two| two[1].0 - two[0].0).collect();
    assert!(pauses.iter().all(|pause| (8..=9).contains(pause)), "{pauses:?}");
    assert_eq!(world.logins(), (1, 0), "an outage is no reason to log in again");
}
