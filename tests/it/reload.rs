//! A configuration that is taken over while the gateway runs.

use std::time::Duration;

use serde_json::json;
use wesal_gateway::config::{Config, Secret};

use crate::harness::{SALES, SUPPORT, Setup, World, rate, secs};

const ORGANIZATION: &str = "/queries/organization";
const SUMMARY: &str = "/analytics/runtime/queues/summary";

/// The world's configuration, changed.
fn changed(world: &World, change: impl FnOnce(&mut Config)) -> Config {
    let mut config = world.config.clone();
    change(&mut config);
    config
}

#[tokio::test]
async fn a_revoked_key_and_its_sessions_are_refused_at_once_also_what_is_held() {
    let mut setup = Setup::default();
    let mut second = String::new();
    let first = setup.caller("board", |caller| second = caller.one_more_key());
    let world = setup.start().await;
    let mut sessions = Vec::new();
    for key in [&first, &second] {
        let body = json!({"email": "board", "password": key}).to_string();
        let answer = world.post_as("", "/auth/login", &body).await.ok().json();
        sessions.push(answer["data"]["access_token"].as_str().unwrap().to_owned());
        world.get_as(key, ORGANIZATION).await.ok();
    }
    let revoked = changed(&world, |config| {
        config.callers[1].key_hashes.remove(0);
    });
    world.reloader.reload(&revoked).unwrap();
    for (credential, code) in [(&first, "invalid_key"), (&sessions[0], "invalid_session")] {
        let answer = world.get_as(credential, ORGANIZATION).await;
        assert_eq!((answer.status, answer.problem().as_str()), (401, code));
    }
    for credential in [&second, &sessions[1]] {
        world.get_as(credential, ORGANIZATION).await.ok();
    }
    let gone = changed(&world, |config| {
        config.callers.remove(1);
    });
    world.reloader.reload(&gone).unwrap();
    for credential in [&second, &sessions[1]] {
        assert_eq!(world.get_as(credential, ORGANIZATION).await.status, 401);
    }
    world.get(ORGANIZATION).await.ok();
}

#[tokio::test]
async fn a_reload_gives_nobody_a_fresh_limit_and_a_new_limit_holds_at_once() {
    let mut setup = Setup::default();
    setup.config.limits.default = rate(1, 60, 3);
    let world = setup.start().await;
    let left = async || {
        let answer = world.get(ORGANIZATION).await;
        (answer.status, answer.header("ratelimit").to_owned())
    };
    assert_eq!(left().await, (200, "\"default\";r=2;t=60".to_owned()));
    world.reloader.reload(&world.config).unwrap();
    assert_eq!(left().await, (200, "\"default\";r=1;t=60".to_owned()));
    let generous = changed(&world, |config| config.callers[0].rate_limit = Some(rate(10, 1, 20)));
    world.reloader.reload(&generous).unwrap();
    assert_eq!(left().await, (200, "\"caller\";r=19;t=1".to_owned()));
}

#[tokio::test]
async fn a_file_without_callers_is_taken_for_half_written() {
    let world = World::new().await;
    let empty = changed(&world, |config| config.callers.clear());
    assert!(world.reloader.reload(&empty).is_err());
    world.get(ORGANIZATION).await.ok();
}

#[tokio::test]
async fn operators_see_who_may_call_and_when_each_last_did() {
    let mut setup = Setup::default();
    setup.caller("idle", |caller| caller.expires("2027-01-01T00:00:00Z"));
    let world = setup.start().await;
    let seen = async || world.get_admin("/admin/callers").await.ok().json()["callers"].clone();
    assert_eq!(seen().await[0]["lastUsed"], json!(null));
    world.advance(secs(90));
    world.get("/auth/logout").await.ok();
    world.advance(Duration::from_millis(500));
    assert_eq!(seen().await[0]["lastUsed"], "2026-11-22T12:01:31Z");
    world.reloader.reload(&world.config).unwrap();
    let callers = seen().await;
    assert_eq!(callers[0]["lastUsed"], "2026-11-22T12:01:31Z", "also after a reload");
    let all = json!(["organization", "questions", "surveys", "queues", "account"]);
    let idle =
        json!({"name": "idle", "enabled": true, "expires": "2027-01-01T00:00:00Z", "scopes": all, "lastUsed": null});
    assert_eq!(callers[1], idle);
}

#[tokio::test]
async fn new_freshness_holds_for_the_next_request_also_of_what_is_held() {
    let world = World::new().await;
    let asked = async || world.get(ORGANIZATION).await.ok().header("cache-status").to_owned();
    let reload = |ttl: u64, stale: u64| {
        let config = changed(&world, |config| {
            let organization = &mut config.cache.organization;
            (organization.ttl, organization.stale_while_revalidate) = (secs(ttl), secs(0));
            organization.stale_if_error = secs(stale);
        });
        assert_eq!(world.reloader.reload(&config).unwrap(), Vec::<String>::new());
    };
    asked().await;
    world.advance(secs(60));
    // Put together once more, then as it was put together.
    for _ in 0..2 {
        assert_eq!(asked().await, "wesal-gateway; hit; ttl=540");
    }
    reload(30, 3600);
    assert!(asked().await.contains("fwd=stale"));
    reload(7200, 7200);
    world.advance(secs(3600));
    assert_eq!(asked().await, "wesal-gateway; hit; ttl=3600");
    reload(0, 0);
    for calls in 3..5 {
        assert!(asked().await.contains("fwd=bypass"));
        assert_eq!(world.vendor_calls("organization"), calls);
    }
}

#[tokio::test]
async fn what_is_not_kept_any_more_is_not_fetched_ahead() {
    let world = World::new().await;
    let body = json!({ "queues": [SALES] }).to_string();
    for _ in 0..4 {
        world.post(SUMMARY, &body).await.ok();
        world.advance(secs(1));
    }
    let config = changed(&world, |config| {
        let summary = &mut config.cache.queue_summary;
        (summary.ttl, summary.stale_if_error) = (secs(0), secs(0));
    });
    world.reloader.reload(&config).unwrap();
    world.post(SUMMARY, &body).await.ok();
    let calls = world.vendor_calls("summary");
    for _ in 0..20 {
        world.advance(secs(1));
        world.get("/auth/logout").await.ok();
    }
    assert_eq!(world.vendor_calls("summary"), calls);
}

#[tokio::test]
async fn lowered_limits_hold_for_the_next_request_and_lose_none_in_flight() {
    let world = World::new().await;
    world.logged_in().await;
    let hold = world.vendor.block_requests("organization");
    let (first, second) = (world.begin_get(ORGANIZATION), world.begin_get("/survey/queries/questions/100301"));
    world.vendor.wait_for_requests("organization", 1).await;
    second.await.unwrap().ok();
    let asking = json!({ "queues": [SALES, SUPPORT] }).to_string();
    world.post(SUMMARY, &asking).await.ok();

    let narrow = changed(&world, |config| {
        config.limits.max_in_flight = 1.try_into().unwrap();
        config.limits.max_queues_per_request = 1.try_into().unwrap();
        config.callers[0].enabled = true;
    });
    world.reloader.reload(&narrow).unwrap();
    assert_eq!(world.post(SUMMARY, &asking).await.problem(), "overloaded");
    hold.release();
    first.await.unwrap().ok();
    let refused = world.post(SUMMARY, &asking).await;
    assert_eq!((refused.problem().as_str(), refused.pointers()), ("invalid_request", vec!["/queues".to_owned()]));
    world.reloader.reload(&world.config).unwrap();
    world.post(SUMMARY, &asking).await.ok();
}

#[tokio::test]
async fn a_caller_who_is_taken_out_keeps_the_answer_that_was_begun() {
    let mut setup = Setup::default();
    setup.caller("other", |_| {});
    let world = setup.start().await;
    world.logged_in().await;
    let hold = world.vendor.block_requests("organization");
    let begun = world.begin_get(ORGANIZATION);
    world.vendor.wait_for_requests("organization", 1).await;
    let without = changed(&world, |config| drop(config.callers.remove(0)));
    world.reloader.reload(&without).unwrap();
    assert_eq!(world.get(ORGANIZATION).await.problem(), "invalid_key");
    hold.release();
    begun.await.unwrap().ok();
}

#[tokio::test]
async fn failed_attempts_stay_counted_unless_their_limit_changes() {
    let mut setup = Setup::default();
    setup.config.limits.auth_failures = rate(1, 60, 1);
    let world = setup.start().await;
    let wrong = async || world.get_as("wgw_wrong", ORGANIZATION).await.status;
    assert_eq!([wrong().await, wrong().await], [401, 429]);
    world.reloader.reload(&world.config).unwrap();
    assert_eq!(wrong().await, 429);
    let generous = changed(&world, |config| config.limits.auth_failures = rate(1, 60, 2));
    world.reloader.reload(&generous).unwrap();
    assert_eq!([wrong().await, wrong().await, wrong().await], [401, 401, 429]);
}

#[tokio::test]
async fn a_refused_login_is_tried_at_once_with_new_credentials() {
    let mut setup = Setup::default();
    setup.config.upstream.password = Secret::new("outdated");
    let world = setup.start().await;
    while world.logins() != (0, 1) {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.get(ORGANIZATION).await.problem(), "upstream_login_failed");
    // The same once more is nothing new, and is not asked.
    world.reloader.reload(&world.config).unwrap();
    assert_eq!(world.get(ORGANIZATION).await.problem(), "upstream_login_failed");
    let right = world.vendor.credentials().password;
    world.reloader.reload(&changed(&world, |config| config.upstream.password = Secret::new(&right))).unwrap();
    world.get(ORGANIZATION).await.ok();
    assert_eq!(world.logins(), (1, 1));
}

#[tokio::test]
async fn a_good_token_serves_until_the_login_with_new_credentials_has_succeeded() {
    let world = World::new().await;
    world.logged_in().await;
    world.get(ORGANIZATION).await.ok();
    let with = |password: &str| changed(&world, |config| config.upstream.password = Secret::new(password));
    world.reloader.reload(&with("mistyped")).unwrap();
    while world.logins() != (1, 1) {
        tokio::task::yield_now().await;
    }
    world.get("/survey/queries/questions/100301").await.ok();
    assert_eq!(world.logins(), (1, 1), "it does not insist");
    world.vendor.set_password("brand new");
    let hold = world.vendor.block_requests("login");
    world.reloader.reload(&with("brand new")).unwrap();
    world.vendor.wait_for_requests("login", 1).await;
    world.get("/survey/queries/questions/100302").await.ok();
    hold.release();
    while world.logins() != (2, 1) {
        tokio::task::yield_now().await;
    }
    world.get("/survey/queries/questions/100303").await.ok();
}

#[tokio::test]
async fn credentials_for_another_vendor_are_not_shown_to_this_one() {
    let world = World::new().await;
    world.logged_in().await;
    let elsewhere = changed(&world, |config| {
        config.upstream.base_url = "http://127.0.0.1:9/api/v1".to_owned();
        config.upstream.password = Secret::new("another");
        config.server.max_connections = 7.try_into().unwrap();
    });
    let waiting = world.reloader.reload(&elsewhere).unwrap();
    assert_eq!(waiting, ["server.max_connections", "upstream.base_url", "upstream.password"]);
    world.get(ORGANIZATION).await.ok();
    world.advance(secs(60));
    world.get("/survey/queries/questions/100301").await.ok();
    assert_eq!(world.logins(), (1, 0));
}

#[tokio::test]
async fn a_configuration_that_could_not_log_in_is_refused() {
    let world = World::new().await;
    world.logged_in().await;
    let empty = changed(&world, |config| config.upstream.password = Secret::default());
    assert!(world.reloader.reload(&empty).unwrap_err().to_string().contains("upstream.password"));
    assert_eq!(world.metric("config_reloads_total{outcome=\"refused\"}").await, 1.0);
}
