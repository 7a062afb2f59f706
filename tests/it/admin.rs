//! What operators see and do.

use serde_json::{Value, json};
use wesal_gateway::{config::Secret, model::Scope};
use wesal_simulator::Fault;

use crate::harness::{Answer, SALES, SUPPORT, Setup, World, rate, secs};

const ORGANIZATION: &str = "/queries/organization";
const QUESTIONS: &str = "/survey/queries/questions/100301";
const SUMMARY: &str = "/analytics/runtime/queues/summary";
const PURGE: &str = "/admin/cache/purge";
const EXPLAIN: &str = "/admin/cache/explain";

fn asking(ids: &[&str]) -> String {
    json!({ "queues": ids }).to_string()
}

async fn purge(world: &World, what: &Value) -> u64 {
    world.post_admin(PURGE, &what.to_string()).await.ok().json()["purged"].as_u64().unwrap()
}

fn told(answer: &Answer) -> &str {
    answer.header("cache-status")
}

/// A gateway that holds two documents and two queues.
async fn with_parts() -> World {
    let world = World::new().await;
    world.logged_in().await;
    for path in [ORGANIZATION, QUESTIONS] {
        world.get(path).await.ok();
    }
    world.post(SUMMARY, &asking(&[SALES, SUPPORT])).await.ok();
    world
}

#[tokio::test]
async fn what_is_purged_softly_is_stale_at_once_and_served_as_the_windows_allow() {
    let world = with_parts().await;
    assert_eq!(purge(&world, &json!({})).await, 4);
    // The document while it is fetched again; the queue, which has no such window, is fetched first.
    assert!(told(&world.get(ORGANIZATION).await.ok()).contains("fwd=stale") || world.vendor_calls("organization") == 2);
    let hold = world.vendor.block_requests("questions");
    let stale = world.get(QUESTIONS).await.ok();
    assert!(told(&stale).contains("hit; ttl=-"), "{}", told(&stale));
    hold.release();
    world.post(SUMMARY, &asking(&[SALES])).await.ok();
    assert_eq!(world.vendor_calls("summary"), 2);
    // A vendor that fails is stood in for.
    purge(&world, &json!({})).await;
    world.vendor.enqueue_fault("summary", Fault::Failed);
    assert!(told(&world.passing(world.post(SUMMARY, &asking(&[SALES]))).await.ok()).contains("fwd=stale"));
}

#[tokio::test]
async fn what_is_purged_hard_is_gone() {
    let mut world = with_parts().await;
    assert_eq!(purge(&world, &json!({ "hard": true })).await, 4);
    world.stop_vendor().await;
    for path in [ORGANIZATION, QUESTIONS] {
        assert_eq!(world.passing(world.get(path)).await.problem(), "upstream_unreachable");
    }
}

#[tokio::test]
async fn a_purge_by_route_company_or_queue_leaves_the_rest_fresh() {
    for (what, purged, again) in [
        (json!({"route": "/queries/organization"}), 1, [2, 1, 1]),
        (json!({"company": 100_301}), 1, [1, 2, 1]),
        (json!({ "queue": SALES }), 1, [1, 1, 2]),
        (json!({"route": SUMMARY}), 2, [1, 1, 2]),
        (json!({"route": SUMMARY, "company": 100_301}), 0, [1, 1, 1]),
    ] {
        let world = with_parts().await;
        let mut what = what;
        what["hard"] = true.into();
        assert_eq!(purge(&world, &what).await, purged, "{what}");
        for path in [ORGANIZATION, QUESTIONS] {
            world.get(path).await.ok();
        }
        world.post(SUMMARY, &asking(&[SALES, SUPPORT])).await.ok();
        let calls = ["organization", "questions", "summary"].map(|route| world.vendor_calls(route));
        assert_eq!(calls, again, "{what}");
    }
}

#[tokio::test]
async fn a_fetch_that_began_before_a_purge_brings_nothing_back_and_nobody_who_asks_after_waits_for_it() {
    for hard in [false, true] {
        let world = World::new().await;
        world.logged_in().await;
        let hold = world.vendor.block_requests("summary");
        let before = world.begin_post(SUMMARY, &asking(&[SALES]));
        world.vendor.wait_for_requests("summary", 1).await;
        purge(&world, &json!({ "hard": hard })).await;
        let after = world.begin_post(SUMMARY, &asking(&[SALES]));
        hold.release();
        before.await.unwrap().ok();
        after.await.unwrap().ok();
        assert_eq!(world.vendor_calls("summary"), 2, "the answer of before was good enough");
        // What came after is held as ever.
        assert!(told(&world.post(SUMMARY, &asking(&[SALES])).await.ok()).contains("hit"));
        assert_eq!(world.vendor_calls("summary"), 2);
    }
}

#[tokio::test]
async fn an_answer_that_was_fetched_before_a_purge_is_not_held_after_it() {
    let world = World::new().await;
    world.logged_in().await;
    let hold = world.vendor.block_requests("questions");
    let before = world.begin_get(QUESTIONS);
    world.vendor.wait_for_requests("questions", 1).await;
    purge(&world, &json!({"company": 100_301, "hard": true})).await;
    hold.release();
    before.await.unwrap().ok();
    assert!(told(&world.get(QUESTIONS).await.ok()).contains("fwd=uri-miss"));
    assert_eq!(world.vendor_calls("questions"), 2);
}

#[tokio::test]
async fn what_would_become_of_a_question_is_told_and_nothing_is_fetched() {
    let world = with_parts().await;
    world.post(SUMMARY, &asking(&[SALES])).await.ok();
    world.advance(secs(2));
    let explain = async |asked: Value| world.post_admin(EXPLAIN, &asked.to_string()).await;
    let asked = json!({"method": "POST", "path": SUMMARY, "body": {"queues": [SALES, "another"]}});
    let told = explain(asked.clone()).await.ok().json();
    assert_eq!(told["route"], SUMMARY);
    let (held, missing) = (&told["parts"][0], &told["parts"][1]);
    assert_eq!(
        (&held["part"], &held["held"], &held["age"]),
        (&json!(format!("queue {SALES}")), &json!("row"), &json!(2.0))
    );
    assert_eq!((&held["freshness"], &held["reason"]), (&json!("fresh"), &json!("it is fresh for 1.000 s more")));
    assert_eq!((&missing["held"], &missing["freshness"]), (&Value::Null, &json!("gone")));
    assert_eq!((&told["calls"], &told["waits"]), (&json!([["queue another"]]), &json!(true)));

    let gotten = explain(json!({"path": format!("/api/v1{QUESTIONS}")})).await.ok().json();
    assert_eq!((&gotten["asks"]["companyId"], &gotten["waits"]), (&json!("100301"), &json!(false)));
    let survey = json!({"path": "/survey/queries/surveys", "body": {"companyId": 1, "filters": []}});
    assert_eq!(explain(survey).await.ok().json()["asks"]["filters"], 0);

    for (asked, pointer) in [
        (json!({}), "/path"),
        (json!({"path": "/auth/login"}), "/path"),
        (json!({"path": "/no/such"}), "/path"),
        (json!({"path": SUMMARY, "method": "GET"}), "/method"),
        (json!({"path": SUMMARY, "body": {}}), "/queues"),
        (json!({"path": SUMMARY, "other": 1}), "/other"),
    ] {
        let refused = explain(asked.clone()).await;
        assert_eq!((refused.status, refused.pointers()), (400, vec![pointer.to_owned()]), "{asked}");
    }
    let hot = async || world.get_admin("/admin/status").await.ok().json()["hotQueues"]["count"].clone();
    let before = hot().await;
    for _ in 0..5 {
        world.advance(std::time::Duration::from_millis(100));
        explain(asked.clone()).await.ok();
    }
    assert_eq!((hot().await, world.vendor_calls("summary")), (before, 1));
}

#[tokio::test]
async fn the_status_shows_how_all_stands() {
    let mut setup = Setup::default();
    setup.caller("idle", |caller| caller.scopes(&[Scope::Queues]));
    let world = setup.start().await;
    world.logged_in().await;
    world.get(ORGANIZATION).await.ok();
    world.get(ORGANIZATION).await.ok();
    world.get("/survey/queries/questions/0").await.problem();
    for _ in 0..3 {
        world.advance(secs(1));
        world.post(SUMMARY, &asking(&[SALES])).await.ok();
    }
    let status = world.get_admin("/admin/status").await.ok().json();
    assert_eq!((&status["version"], &status["lifecycle"]), (&json!(env!("CARGO_PKG_VERSION")), &json!("serving")));
    assert_eq!((&status["uptime"], &status["readiness"]["ready"]), (&json!(3.0), &json!(true)));
    let (app, idle) = (&status["callers"][0], &status["callers"][1]);
    assert_eq!((&app["requests"], &idle["requests"]), (&json!(6), &json!(0)));
    assert_eq!(app["lastMinute"], json!({"requests": 6, "share": 1.0, "rateLimited": 0}));
    assert_eq!(idle["lastMinute"], json!({"requests": 0, "share": 0.0, "rateLimited": 0}));
    assert_eq!((&idle["scopes"], &idle["lastUsed"]), (&json!(["queues"]), &Value::Null));
    assert_eq!(app["limit"]["name"], "default");
    let route = &status["routes"][ORGANIZATION];
    assert_eq!(route, &json!({"requests": {"hit": 1, "miss": 1}, "vendorCalls": 1, "saved": 1}));
    assert_eq!(
        (&status["vendor"]["login"]["state"], &status["vendor"]["breaker"]["state"]),
        (&json!("good"), &json!("closed"))
    );
    assert_eq!(status["vendor"]["pausedFor"], Value::Null);
    let error = &status["recentErrors"][0];
    assert_eq!(
        (&error["code"], &error["status"], &error["caller"]),
        (&json!("invalid_request"), &json!(400), &json!("app"))
    );
    assert_eq!(status["recentErrors"].as_array().unwrap().len(), 1);
    let hot = &status["hotQueues"]["worst"][0];
    assert_eq!((&hot["queue"], &hot["route"]), (&json!(SALES), &json!(SUMMARY)));
    assert_eq!(status["configuration"], json!({"fromFile": false, "lastReload": null, "needsRestart": []}));

    let mut wrong = world.config.clone();
    wrong.server.max_connections = 7.try_into().unwrap();
    world.reloader.reload(&wrong).unwrap();
    let configuration = world.get_admin("/admin/status").await.ok().json()["configuration"].clone();
    assert_eq!(configuration["needsRestart"], json!(["server.max_connections"]));
    assert_eq!(configuration["lastReload"]["outcome"], "good");
}

#[tokio::test]
async fn of_the_hot_queues_those_furthest_from_fresh_stand_first_and_not_what_may_be_old() {
    let world = World::new().await;
    world.logged_in().await;
    let settled = json!({"queues": [SALES], "interval": "2026-11-01T09:00:00Z/2026-11-01T10:00:00Z"}).to_string();
    for _ in 0..2 {
        world.post("/analytics/queues/performance", &settled).await.ok();
        world.advance(secs(1));
    }
    world.advance(secs(3600));
    for _ in 0..3 {
        world.post(SUMMARY, &asking(&[SUPPORT])).await.ok();
        world.advance(secs(1));
    }
    // Nothing comes from Wesal any more.
    let _hold = world.vendor.block_requests("summary");
    world.advance(secs(4));
    let hot = world.get_admin("/admin/status").await.ok().json()["hotQueues"].clone();
    let shown: Vec<_> = hot["worst"].as_array().unwrap().iter().map(|row| (&row["queue"], &row["freshness"])).collect();
    assert_eq!(shown, [(&json!(SUPPORT), &json!("stale_if_error")), (&json!(SALES), &json!("fresh"))]);
    assert_eq!((&hot["count"], &hot["byFreshness"]), (&json!(2), &json!({"fresh": 1, "stale_if_error": 1})));
}

#[tokio::test]
async fn how_long_it_is_up_does_not_change_when_the_machines_time_is_set() {
    let world = World::new().await;
    world.advance(secs(90));
    let status = async || world.get_admin("/admin/status").await.ok().json();
    let at = |status: &Value| status["at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let before = status().await;
    world.clock.step_wall(jiff::SignedDuration::from_hours(-1));
    let after = status().await;
    assert_eq!((&before["uptime"], &after["uptime"]), (&json!(90.0), &json!(90.0)));
    assert_eq!(at(&after).duration_since(at(&before)), jiff::SignedDuration::from_hours(-1));
}

#[tokio::test]
async fn a_refused_login_is_shown_with_its_next_try() {
    let mut setup = Setup::default();
    setup.config.upstream.password = Secret::new("wrong");
    let world = setup.start().await;
    while world.logins() != (0, 1) {
        tokio::task::yield_now().await;
    }
    world.get(ORGANIZATION).await.problem();
    world.advance(secs(10));
    let login = world.get_admin("/admin/status").await.ok().json()["vendor"]["login"].clone();
    assert_eq!(login, json!({"state": "refused", "setback": null, "nextTryIn": 20, "tokenEndsIn": null}));
}

async fn vendor_standing(world: &World) -> Value {
    world.get_admin("/admin/status").await.ok().json()["vendor"].clone()
}

#[tokio::test]
async fn a_breaker_that_opened_is_shown_with_the_time_to_its_probe() {
    let mut setup = Setup::default();
    setup.config.upstream.retries = 0;
    let world = setup.start().await;
    world.logged_in().await;
    let breaker = async || vendor_standing(&world).await["breaker"].clone();
    assert_eq!(breaker().await, json!({"state": "closed", "probeIn": null}));
    let fail = async |companies: std::ops::Range<u64>| {
        for company in companies {
            world.vendor.enqueue_fault("questions", Fault::Error);
            assert_eq!(world.get(&format!("/survey/queries/questions/{company}")).await.problem(), "upstream_error");
        }
    };
    fail(1..10).await;
    assert_eq!(breaker().await["state"], "closed", "too few calls to judge by");
    fail(10..11).await;
    assert_eq!(breaker().await, json!({"state": "open", "probeIn": 5}));
    world.advance(secs(2));
    assert_eq!(world.get(QUESTIONS).await.problem(), "upstream_unavailable");
    assert_eq!(breaker().await, json!({"state": "open", "probeIn": 3}));
    world.advance(secs(3));
    assert_eq!(breaker().await["probeIn"], 0);
    fail(11..12).await;
    assert_eq!(breaker().await, json!({"state": "open", "probeIn": 8}), "a probe that failed");

    world.advance(secs(8));
    let hold = world.vendor.block_requests("questions");
    let probe = world.begin_get(QUESTIONS);
    world.vendor.wait_for_requests("questions", 12).await;
    world.advance(secs(1));
    assert_eq!(breaker().await, json!({"state": "half_open", "probeIn": 7}));
    hold.release();
    probe.await.unwrap().ok();
    assert_eq!(breaker().await, json!({"state": "closed", "probeIn": null}));
}

#[tokio::test]
async fn a_vendor_who_asked_to_be_left_alone_is_shown_for_how_long_yet() {
    let world = World::new().await;
    world.logged_in().await;
    assert_eq!(vendor_standing(&world).await["pausedFor"], Value::Null);
    world.vendor.enqueue_fault("questions", Fault::RateLimitedBare);
    assert_eq!(world.get(QUESTIONS).await.problem(), "upstream_rate_limited");
    assert_eq!(vendor_standing(&world).await["pausedFor"], 5);
    world.advance(secs(1) + std::time::Duration::from_millis(1));
    assert_eq!(vendor_standing(&world).await["pausedFor"], 4, "rounded up");
    world.advance(secs(4));
    assert_eq!(vendor_standing(&world).await["pausedFor"], Value::Null);
    world.get(QUESTIONS).await.ok();
}

#[tokio::test]
async fn a_route_that_the_vendor_bars_is_shown_until_it_is_asked_for_again() {
    let world = World::new().await;
    world.logged_in().await;
    let barred = async || vendor_standing(&world).await["barred"].clone();
    for seconds in [2, 4] {
        world.advance(secs(3));
        assert_eq!(barred().await, json!([]));
        // Also with the token that is got for its sake.
        (0..2).for_each(|_| world.vendor.enqueue_fault("questions", Fault::WrongDomain));
        assert_eq!(world.get(QUESTIONS).await.problem(), "upstream_login_failed");
        world.vendor.clear_faults("questions");
        assert_eq!(barred().await, json!([{"route": "/survey/queries/questions/{companyId}", "seconds": seconds}]));
        assert_eq!(world.get(QUESTIONS).await.problem(), "upstream_login_failed");
        world.get("/auth/logout").await.ok();
    }
    world.advance(secs(4));
    assert_eq!(barred().await, json!([]));
    world.get(QUESTIONS).await.ok();
}

#[tokio::test]
async fn the_file_is_read_again_when_an_operator_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut setup = Setup::default();
    setup.file = Some(folder.path().join("config.toml"));
    let world = setup.start().await;
    let good = world.post_admin("/admin/reload", "").await.ok().json();
    assert_eq!(good, json!({"outcome": "good", "needsRestart": []}));
    std::fs::write(folder.path().join("config.toml"), "[limits]\nmax_in_flight = \"many\"\n").unwrap();
    let refused = world.post_admin("/admin/reload", "").await;
    assert_eq!(refused.problem(), "invalid_request");
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("config.toml:2: limits.max_in_flight"), "{detail}");
    let last = world.get_admin("/admin/status").await.ok().json()["configuration"]["lastReload"].clone();
    assert_eq!(last["outcome"], "refused");
    assert!(World::new().await.post_admin("/admin/reload", "").await.problem() == "invalid_request");
}

#[tokio::test]
async fn wrong_tokens_are_counted_and_limited_by_address_and_the_right_one_always_passes() {
    let mut setup = Setup::default();
    setup.config.admin.token = Secret::new("s3cret");
    setup.config.limits.auth_failures = rate(1, 60, 2);
    let world = setup.start().await;
    for (method, path) in [("GET", "/nowhere"), ("DELETE", "/admin/status"), ("GET", "/admin/cache/purge")] {
        let refused = world.send(world.request_admin(method, path)).await;
        assert_eq!(refused.problem(), "missing_credential", "{method} {path}");
        assert_eq!(refused.header("allow"), "", "it would show which paths exist");
    }
    let ask = |token: &'static str| {
        let request = world.request_admin("GET", "/admin/status");
        world.send(if token.is_empty() { request } else { request.header("authorization", token) })
    };
    // Who sends none has not guessed.
    for _ in 0..5 {
        assert_eq!(ask("").await.problem(), "missing_credential");
    }
    for guess in ["Bearer wrong", "s3cret"] {
        let refused = ask(guess).await;
        assert_eq!((refused.status, refused.problem().as_str()), (401, "invalid_key"));
        assert!(!refused.header("www-authenticate").is_empty());
    }
    let refused = ask("Bearer wrong").await;
    assert_eq!((refused.status, refused.problem().as_str()), (429, "too_many_auth_failures"));
    assert_eq!(refused.header("retry-after"), "60");
    let told = world.send(world.request_admin("GET", "/metrics").header("authorization", "Bearer s3cret")).await;
    assert!(told.text().contains("auth_failures_total{reason=\"admin_token\"} 3\n"), "{}", told.text());
    // The same address has no more guesses at callers' keys.
    assert_eq!(world.get_as("wrong", "/auth/logout").await.problem(), "too_many_auth_failures");
    world.advance(secs(60));
    assert_eq!(ask("Bearer wrong").await.problem(), "invalid_key");
}

#[tokio::test]
async fn paths_methods_and_bodies_are_refused_in_the_houses_words() {
    let world = World::new().await;
    for (method, path, allow) in [
        ("POST", "/admin/status", "GET,HEAD"),
        ("GET", PURGE, "POST"),
        ("DELETE", "/admin/log-filter", "GET,HEAD,PUT"),
        ("PUT", "/metrics", "GET,HEAD"),
    ] {
        let refused = world.send(world.request_admin(method, path)).await;
        assert_eq!((refused.problem().as_str(), refused.header("allow")), ("method_not_allowed", allow), "{path}");
    }
    for path in ["/admin/status", "/metrics", "/livez", "/admin/log-filter"] {
        let head = world.send(world.request_admin("HEAD", path)).await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
    }
    assert_eq!(world.get_admin("/admin").await.problem(), "not_found");
    for body in [
        "[]",
        "{\"hard\": 1}",
        "{\"other\": 1}",
        "{\"route\": \"/auth/login\"}",
        "{\"route\": \"/auth/reset\"}",
        "{\"company\": 0}",
        "{\"queue\": null, \"hard\": true}",
        "{\"company\": null, \"hard\": true}",
        "{\"route\": null, \"hard\": true}",
        "{\"hard\": null}",
        "{\"hard\":true,\"hard\":false}",
    ] {
        assert_eq!(world.post_admin(PURGE, body).await.problem(), "invalid_request", "{body}");
    }
    let form = world.request_admin("POST", PURGE).body("hard=true");
    assert_eq!(world.send(form).await.problem(), "unsupported_media_type");
    let large = world.request_admin("POST", PURGE).header("content-type", "application/json").body(vec![b' '; 70_000]);
    let refused = world.send(large).await;
    assert_eq!((refused.problem().as_str(), refused.header("connection")), ("payload_too_large", "close"));
}

#[tokio::test]
async fn every_answer_bears_the_operators_request_id_if_it_is_sane_and_else_a_new_one() {
    let world = World::new().await;
    for path in ["/admin/callers", "/nowhere"] {
        for (sent, kept) in [("runbook-7.2", true), ("not sane", false), ("", false)] {
            let answer = world.send(world.request_admin("GET", path).header("x-request-id", sent)).await;
            let told = answer.header("x-request-id");
            assert_eq!(told == sent, kept, "{told}");
            assert!(kept || told.len() == 32, "{told}");
            assert!(answer.status == 200 || answer.json()["requestId"] == told);
        }
    }
}

#[tokio::test]
async fn a_web_page_in_an_operators_browser_can_do_nothing() {
    let world = with_parts().await;
    for (name, value) in [("origin", "http://evil.example"), ("sec-fetch-site", "cross-site"), ("host", "evil.example")]
    {
        let request = world.request_admin("POST", PURGE).header(name, value);
        assert_eq!(world.send(request).await.problem(), "forbidden", "{name}");
    }
    let rebound = world.request_admin("GET", "/admin/status").header("host", "evil.example:9090");
    assert_eq!(world.send(rebound).await.problem(), "forbidden");
    assert_eq!(world.post_admin(PURGE, "").await.ok().json()["purged"], 4);
}
