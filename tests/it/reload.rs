//! A configuration that is taken over while the gateway runs.

use std::time::Duration;

use serde_json::json;
use wesal_gateway::config::Config;

use crate::harness::{Setup, World, rate, secs};

const ORGANIZATION: &str = "/queries/organization";

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
