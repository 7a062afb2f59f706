//! The life of the service login's token: its death in use, and tokens that the vendor never accepts (7.5, 7.6).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use wesal_simulator::Fault;

use crate::harness::{Act, Answer, DATA, FaultProxy, Setup, World, http, secs};

/// Each data route is asked at the vendor in each second.
fn busy() -> Setup {
    let mut setup = Setup::default();
    let cache = &mut setup.config.cache;
    for policy in [&mut cache.organization, &mut cache.questions] {
        (policy.ttl, policy.stale_while_revalidate, policy.stale_if_error) = (secs(1), secs(0), secs(0));
    }
    for policy in [&mut cache.queue_summary, &mut cache.queue_activity] {
        (policy.ttl, policy.stale_if_error) = (secs(1), secs(0));
    }
    let performance = &mut cache.queue_performance;
    (performance.ttl, performance.stale_while_revalidate, performance.stale_if_error) = (secs(1), secs(0), secs(0));
    (performance.closed_ttl, performance.settled_ttl) = (secs(1), secs(1));
    setup
}

async fn ask_all(world: &World) -> Vec<Answer> {
    join_all(DATA.iter().map(|route| world.ask(route))).await
}

#[tokio::test]
async fn vendor_that_refuses_every_token_sees_9_logins() {
    for was_accepted in [false, true] {
        let mut setup = busy();
        let proxy = FaultProxy::new().await;
        let refuse = |proxy: &FaultProxy| {
            for route in &DATA {
                proxy.always(route.name, Act::say(http("401 Unauthorized", &[], "")));
            }
        };
        if !was_accepted {
            refuse(&proxy);
        }
        setup.proxy = Some(proxy);
        let mut world = setup.start().await;
        let proxy = world.proxy.take().unwrap();
        world.logged_in().await;
        let mut before = 0;
        if was_accepted {
            ask_all(&world).await.into_iter().for_each(|answer| drop(answer.ok()));
            world.advance(secs(10));
            before = proxy.calls("login");
            refuse(&proxy);
        }
        for second in 0..600 {
            for answer in ask_all(&world).await {
                assert_eq!((answer.status, answer.problem().as_str()), (503, "upstream_login_failed"), "{second} s");
            }
            world.advance(secs(1));
        }
        let logins = proxy.calls("login") - before;
        assert!((5..=9).contains(&logins), "{logins} logins, accepted before: {was_accepted}");
    }
}

#[tokio::test]
async fn token_without_a_usable_life_causes_no_login_loop() {
    for ahead in [-3600, 0, 3] {
        let mut setup = Setup::default();
        let proxy = FaultProxy::new().await;
        proxy.always(
            "login",
            Act::make(move |came| {
                let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"exp":{}}}"#, came.at.as_second() + ahead));
                let token = format!("eyJhbGciOiJIUzI1NiJ9.{claims}.sig");
                http(
                    "200 OK",
                    &[],
                    format!(r#"{{"success":true,"access_token":"{token}","data":{{"access_token":"{token}"}}}}"#),
                )
            }),
        );
        let questions = r#"{"data":{"questions":[{"id":"1"}]},"success":true}"#;
        proxy.always("questions", Act::say(http("200 OK", &[], questions)));
        setup.proxy = Some(proxy);
        let world = setup.start().await;
        world.logged_in().await;
        for company in 1..=120 {
            world.get(&format!("/survey/queries/questions/{company}")).await.ok();
            world.advance(secs(1));
        }
        assert_eq!(world.proxy.as_ref().unwrap().calls("login"), 1, "exp {ahead} s ahead");
    }
}

#[tokio::test]
async fn login_without_a_token_waits_30_s_doubling() {
    let world = World::new().await;
    (0..100).for_each(|_| world.vendor.enqueue_fault("login", Fault::LoginNoToken));
    let due = [0, 30, 90, 210, 450];
    for now in (0..480).step_by(5) {
        let answer = world.get("/queries/organization").await;
        assert_eq!((answer.status, answer.problem().as_str()), (503, "upstream_login_failed"), "at {now} s");
        assert_eq!(world.vendor_calls("login"), due.iter().filter(|at| **at <= now).count() as u64, "at {now} s");
        world.advance(secs(5));
    }
}

#[tokio::test]
async fn token_death_costs_one_login_and_no_request() {
    let world = busy().start().await;
    world.logged_in().await;
    ask_all(&world).await.into_iter().for_each(|answer| drop(answer.ok()));
    // The second comes within 2 s of the login before it, and so does the third.
    for (logins, wait) in [(2, 10), (3, 1), (4, 10), (5, 3)] {
        world.advance(secs(wait));
        world.vendor.expire_tokens();
        for answer in ask_all(&world).await {
            answer.ok();
        }
        assert_eq!(world.logins(), (logins, 0));
    }
}

/// A vendor that accepts each token for a moment only must not cause a login for each call.
#[tokio::test]
async fn tokens_that_die_young_cause_bounded_logins() {
    let mut setup = Setup::default();
    setup.config.upstream.forward_query.push("n".to_owned());
    let world = setup.start().await;
    world.logged_in().await;
    for n in 0..400 {
        world.get(&format!("/survey/queries/questions/100301?n={n}")).await;
        world.vendor.expire_tokens();
        world.advance(std::time::Duration::from_millis(100));
    }
    assert!(world.logins().0 <= 45, "{:?} logins in 40 s", world.logins());
}
