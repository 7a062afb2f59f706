//! Every failure is one kind of document, with a code, a status and a remedy, and the refusals come in one order.

use std::{collections::BTreeSet, time::Duration};

use wesal_gateway::{
    config::{RateLimit, Secret},
    model::Scope,
};
use wesal_simulator::Fault;

use crate::harness::{Answer, DATA, Mirrored, SALES, SUPPORT, Setup, World, rate};

const ORGANIZATION: &Mirrored = &DATA[0];
const QUESTIONS: &Mirrored = &DATA[1];
const SURVEYS: &Mirrored = &DATA[2];
const SUMMARY: &Mirrored = &DATA[3];

/// The answer is the whole document of this failure, and nothing more.
fn told(answer: &Answer, status: u16, code: &str, wesal_code: Option<&str>) {
    assert_eq!((answer.problem().as_str(), answer.status), (code, status), "{}", answer.text());
    let document = answer.json();
    let members: BTreeSet<_> = document.as_object().unwrap().keys().map(String::as_str).collect();
    let all = ["type", "title", "status", "detail", "success", "code", "wesalCode", "requestId", "errors"];
    assert_eq!(members, BTreeSet::from(all), "{code}");
    assert_eq!(document["wesalCode"].as_str(), wesal_code, "{code}");
    assert_eq!(answer.header("www-authenticate").is_empty(), status != 401, "{code}");
    let says_when = matches!(status, 429 | 503);
    assert_eq!(answer.header("retry-after").parse::<u64>().is_ok_and(|wait| wait >= 1), says_when, "{code}");
    for header in ["etag", "age", "cache-status"] {
        assert_eq!(answer.header(header), "", "{header} of {code}");
    }
}

fn without_retries() -> Setup {
    let mut setup = Setup::default();
    setup.config.upstream.retries = 0;
    setup
}

#[tokio::test]
async fn bad_input_and_a_missing_field_have_the_vendors_codes() {
    let world = World::new().await;
    told(&world.post(SURVEYS.path, "{}").await, 400, "missing_parameter", Some("X0000"));
    told(&world.post(SURVEYS.path, "[").await, 400, "invalid_request", Some("X004"));
    let two = world.request("GET", ORGANIZATION.path).header("authorization", world.key()).header("x-api-key", "wgw_x");
    told(&world.send(two).await, 400, "invalid_request", Some("X004"));
}

#[tokio::test]
async fn a_credential_that_is_not_good_is_401_with_the_way_to_give_one() {
    let mut setup = Setup::default();
    let expired = setup.caller("expired", |caller| caller.expires("2026-11-22T12:00:00Z"));
    let disabled = setup.caller("disabled", |caller| caller.disabled());
    let world = setup.start().await;
    let unknown = Setup::default().start().await.key().to_owned();
    let none = world.send(world.request("GET", ORGANIZATION.path)).await;
    told(&none, 401, "missing_credential", Some("X001"));
    assert!(none.header("www-authenticate").starts_with("Bearer"));
    for key in [expired.as_str(), &disabled, &unknown, "wgw_typo", "Basic YTpi"] {
        told(&world.get_as(key, ORGANIZATION.path).await, 401, "invalid_key", Some("X001"));
    }
    for session in ["eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXV.e30.x", "Bearer eyJhbGciOiJub25lIn0.e30."] {
        told(&world.get_as(session, ORGANIZATION.path).await, 401, "invalid_session", Some("X003"));
    }
    let key = world.key();
    for (email, password) in [("app", "wgw_typo"), ("app", unknown.as_str()), ("nobody", key), ("expired", key)] {
        let body = format!(r#"{{"email":"{email}","password":"{password}"}}"#);
        let login = world.request("POST", "/auth/login").header("content-type", "application/json").body(body);
        told(&world.send(login).await, 401, "invalid_key", Some("X001"));
    }
    assert_eq!(world.vendor_calls_in_all(), 0);
}

#[tokio::test]
async fn what_a_key_does_not_allow_is_403_though_it_is_in_the_cache() {
    let mut setup = Setup::default();
    let scoped = setup.caller("scoped", |caller| caller.scopes(&[Scope::Organization]));
    let held = setup.caller("held", |caller| {
        caller.companies(&[100_302]);
        caller.queues(&[SUPPORT]);
    });
    let world = setup.start().await;
    for route in [QUESTIONS, SUMMARY] {
        world.ask(route).await.ok();
    }
    let calls = world.vendor_calls_in_all();
    for route in DATA.iter().skip(1) {
        told(&world.ask_as(&scoped, route).await, 403, "forbidden", Some("X002"));
    }
    for path in ["/auth/reset", "/auth/verify"] {
        told(&world.post_as(&scoped, path, "{}").await, 403, "forbidden", Some("X002"));
    }
    for route in [QUESTIONS, SURVEYS] {
        told(&world.ask_as(&held, route).await, 403, "forbidden", Some("X002"));
    }
    let body = format!(r#"{{"queues":["{SUPPORT}","{SUPPORT}","{SALES}","{SUPPORT}","{SALES}","no such"]}}"#);
    let answer = world.post_as(&held, SUMMARY.path, &body).await;
    told(&answer, 403, "forbidden", Some("X002"));
    assert_eq!(answer.pointers(), ["/queues/2", "/queues/4", "/queues/5"]);
    assert_eq!(world.vendor_calls_in_all(), calls);
    world.post_as(&held, SUMMARY.path, &format!(r#"{{"queues":["{SUPPORT}"]}}"#)).await.ok();
}

#[tokio::test]
async fn what_http_itself_forbids_has_the_codes_of_http() {
    let mut setup = Setup::default();
    setup.config.server.max_body = wesal_gateway::config::Size::from_kib(1);
    let world = setup.start().await;
    told(&world.get("/nowhere").await, 404, "not_found", None);
    let answer = world.post(ORGANIZATION.path, "{}").await;
    told(&answer, 405, "method_not_allowed", None);
    assert_eq!(answer.header("allow"), "GET,HEAD");
    told(&world.post(SUMMARY.path, &" ".repeat(1025)).await, 413, "payload_too_large", None);
    let plain = world.request("POST", SUMMARY.path).header("authorization", world.key()).body(SUMMARY.body);
    told(&world.send(plain).await, 415, "unsupported_media_type", None);
}

#[tokio::test]
async fn a_body_that_never_comes_is_408() {
    let world = World::new().await;
    world.logged_in().await;
    let key = world.key();
    let request = format!(
        "POST /api/v1{} HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\nContent-Type: application/json\r\n\
         X-Request-Id: slow\r\nContent-Length: 100\r\n\r\n{{",
        SUMMARY.path
    );
    let time_passes = async {
        // Beside the gateway's own tidying: whoever waits for the body.
        world.clock.sleepers(2).await;
        world.advance(Duration::from_secs(10));
    };
    let (answer, ()) = tokio::join!(world.raw(request.as_bytes()), time_passes);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains(r#""code":"request_timeout""#) && answer.contains(r#""requestId":"slow""#), "{answer}");
    assert_eq!(world.vendor_calls_in_all(), 0);
}

#[tokio::test]
async fn a_caller_past_its_limit_is_429_and_every_answer_says_how_it_stands() {
    let mut setup = Setup::default();
    let key = setup.caller("slow", |caller| {
        caller.rate_limit(rate(1, 10, 3));
        caller.scopes(&[Scope::Questions]);
    });
    let world = setup.start().await;
    let stands = |answer: &Answer, limit: &str| {
        assert_eq!(answer.header("ratelimit-policy"), r#""caller";q=3;w=30"#);
        assert_eq!(answer.header("ratelimit"), limit);
    };
    stands(&world.get_as(&key, QUESTIONS.path).await.ok(), r#""caller";r=2;t=10"#);
    stands(&world.get_as(&key, "/survey/queries/questions/x").await, r#""caller";r=1;t=10"#);
    stands(&world.ask_as(&key, ORGANIZATION).await, r#""caller";r=0;t=10"#);
    for _ in 0..2 {
        let answer = world.get_as(&key, QUESTIONS.path).await;
        told(&answer, 429, "rate_limited", None);
        stands(&answer, r#""caller";r=0;t=10"#);
        assert_eq!(answer.header("retry-after"), "10");
    }
    let other = world.ask(QUESTIONS).await.ok();
    assert!(other.header("ratelimit").starts_with(r#""default";r="#), "another caller's limit is its own");
    world.advance(Duration::from_secs(10));
    world.get_as(&key, QUESTIONS.path).await.ok();
}

#[tokio::test]
async fn too_many_wrong_keys_from_an_address_are_429_and_a_good_key_still_passes() {
    let mut setup = Setup::default();
    setup.config.limits.auth_failures = rate(1, 10, 2);
    let world = setup.start().await;
    assert_eq!(world.get_as("wgw_a", ORGANIZATION.path).await.status, 401);
    let login = r#"{"email":"app","password":"wgw_b"}"#;
    assert_eq!(world.post("/auth/login", login).await.status, 401);
    for answer in [world.get_as("wgw_c", ORGANIZATION.path).await, world.post("/auth/login", login).await] {
        told(&answer, 429, "too_many_auth_failures", None);
        assert_eq!(answer.header("retry-after"), "10");
    }
    world.get(ORGANIZATION.path).await.ok();
    world.advance(Duration::from_secs(10));
    assert_eq!(world.get_as("wgw_d", ORGANIZATION.path).await.status, 401);
}

#[tokio::test]
async fn the_vendors_refusal_bears_its_code_and_its_words_without_what_they_tell_of_people() {
    let world = World::new().await;
    let secret = world.vendor.credentials().password;
    let queues = |id: &str| format!(r#"{{"queues":["{id}"]}}"#);
    let invalid = "Wesal refused the request, in its own words: Invalid request: ";
    for (answer, words) in [
        (world.get("/survey/queries/questions/2").await, "unknown companyId"),
        (world.post(SUMMARY.path, &queues("short")).await, "short is not a queue id"),
        (world.post(SUMMARY.path, &queues("ahmed@wesal.example")).await, "[removed] is not a queue id"),
        (world.post(SUMMARY.path, &queues("+966 55 123 4567")).await, "[removed] is not a queue id"),
        (world.post(SUMMARY.path, &queues(&secret)).await, "[removed] is not a queue id"),
    ] {
        told(&answer, 400, "upstream_rejected", Some("X004"));
        assert_eq!(answer.json()["detail"], format!("{invalid}{words}"));
    }
    // Each route has its own place for the words.
    for route in &DATA {
        // Queues are asked for together, then each alone; and what was refused is remembered for 30 s.
        let calls = if route.body.contains("queues") { 3 } else { 1 };
        world.advance(Duration::from_secs(31));
        (0..calls).for_each(|_| world.vendor.enqueue_fault(route.name, Fault::Missing));
        let answer = world.ask(route).await;
        told(&answer, 400, "upstream_rejected", Some("X0000"));
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.ends_with("Some parameters are missing: simulated"), "{}: {detail}", route.name);
        world.advance(Duration::from_secs(31));
        (0..calls).for_each(|_| world.vendor.enqueue_fault(route.name, Fault::Refused));
        told(&world.ask(route).await, 400, "upstream_rejected", Some("X004"));
    }
}

#[tokio::test]
async fn a_refused_service_login_is_503_and_is_not_tried_again_at_once() {
    let mut setup = Setup::default();
    setup.config.upstream.password = Secret::new("wrong");
    let world = setup.start().await;
    for route in &DATA {
        let answer = world.ask(route).await;
        told(&answer, 503, "upstream_login_failed", None);
        assert_eq!(answer.header("retry-after"), "30");
    }
    assert_eq!((world.logins(), world.vendor_calls_in_all()), ((0, 1), 0));
}

#[tokio::test]
async fn a_vendor_that_is_gone_is_502() {
    let mut world = without_retries().start().await;
    world.logged_in().await;
    world.stop_vendor().await;
    for route in &DATA {
        told(&world.ask(route).await, 502, "upstream_unreachable", None);
    }
}

#[tokio::test]
async fn a_vendor_that_answers_nonsense_or_fails_is_502() {
    let mut setup = without_retries();
    setup.config.upstream.breaker.min_calls = 1000.try_into().unwrap();
    let world = setup.start().await;
    for (code, faults) in [
        (
            "upstream_invalid_response",
            &[Fault::Html, Fault::Empty, Fault::BadJson, Fault::BadUtf8, Fault::WrongShape, Fault::Redirect][..],
        ),
        ("upstream_error", &[Fault::Failed, Fault::Error, Fault::Unavailable, Fault::BadGateway]),
        ("upstream_unreachable", &[Fault::Cut, Fault::Truncated]),
    ] {
        for fault in faults {
            for route in &DATA {
                world.vendor.enqueue_fault(route.name, *fault);
                let answer = world.ask(route).await;
                assert_eq!(answer.problem(), code, "{fault} of {}", route.name);
                told(&answer, 502, code, None);
            }
        }
    }
    for route in &DATA {
        world.ask(route).await.ok();
    }
}

#[tokio::test]
async fn a_vendor_that_does_not_answer_is_504() {
    let world = World::new().await;
    world.logged_in().await;
    world.vendor.enqueue_fault("organization", Fault::Hang);
    let time_passes = async {
        world.vendor.wait_for_requests("organization", 1).await;
        // The gateway's own tidying, the try, and the call with all its tries.
        world.clock.sleepers(3).await;
        world.advance(Duration::from_secs(10));
    };
    let (answer, ()) = tokio::join!(world.ask(ORGANIZATION), time_passes);
    told(&answer, 504, "upstream_timeout", None);
    assert_eq!(world.vendor_calls("organization"), 1);
}

#[tokio::test]
async fn a_vendor_that_asks_for_patience_gets_it_from_all() {
    let mut setup = Setup::default();
    setup.config.upstream.max_wait = Duration::from_secs(1);
    let world = setup.start().await;
    world.vendor.enqueue_fault("organization", Fault::RateLimited);
    for route in [ORGANIZATION, QUESTIONS, SUMMARY] {
        let answer = world.ask(route).await;
        told(&answer, 503, "upstream_rate_limited", None);
        assert_eq!(answer.header("retry-after"), "2");
    }
    assert_eq!(world.vendor_calls_in_all(), 1);
    world.advance(Duration::from_secs(2));
    world.ask(ORGANIZATION).await.ok();
}

#[tokio::test]
async fn a_spent_budget_of_vendor_calls_is_503() {
    let mut setup = Setup::default();
    setup.config.upstream.rate_limit = rate(1, 60, 1);
    setup.config.upstream.max_wait = Duration::ZERO;
    let world = setup.start().await;
    world.ask(ORGANIZATION).await.ok();
    let answer = world.ask(QUESTIONS).await;
    told(&answer, 503, "upstream_budget_exhausted", None);
    assert_eq!(answer.header("retry-after"), "60");
    world.ask(ORGANIZATION).await.ok();
    assert_eq!(world.vendor_calls_in_all(), 1);
    world.advance(Duration::from_secs(60));
    world.ask(QUESTIONS).await.ok();
}

#[tokio::test]
async fn a_vendor_that_keeps_failing_is_left_alone() {
    let mut setup = without_retries();
    setup.config.upstream.breaker.min_calls = 2.try_into().unwrap();
    let world = setup.start().await;
    for route in [ORGANIZATION, QUESTIONS] {
        world.vendor.enqueue_fault(route.name, Fault::Error);
        told(&world.ask(route).await, 502, "upstream_error", None);
    }
    for route in &DATA {
        let answer = world.ask(route).await;
        told(&answer, 503, "upstream_unavailable", None);
        assert_eq!(answer.header("retry-after"), "5");
    }
    assert_eq!(world.vendor_calls_in_all(), 2);
    world.advance(Duration::from_secs(5));
    world.ask(ORGANIZATION).await.ok();
}

#[tokio::test]
async fn one_request_too_many_is_503_at_once_and_health_is_told_all_the_same() {
    let mut setup = Setup::default();
    setup.config.limits.max_in_flight = 1.try_into().unwrap();
    let world = setup.start().await;
    world.logged_in().await;
    let hold = world.vendor.block_requests("organization");
    let meanwhile = async {
        world.vendor.wait_for_requests("organization", 1).await;
        let answer = world.ask(QUESTIONS).await;
        told(&answer, 503, "overloaded", None);
        assert_eq!(answer.header("retry-after"), "1");
        for path in ["/livez", "/readyz"] {
            assert_eq!(world.send(world.request_at_root("GET", path)).await.status, 200, "{path}");
        }
        hold.release();
    };
    let (first, ()) = tokio::join!(world.ask(ORGANIZATION), meanwhile);
    first.ok();
    world.ask(QUESTIONS).await.ok();
}

#[tokio::test]
async fn refusals_come_in_the_contracts_order() {
    let mut setup = Setup::default();
    let once: RateLimit = rate(1, 60, 1);
    let spent = setup.caller("spent", |caller| {
        caller.rate_limit(once);
        caller.scopes(&[]);
    });
    let scoped = setup.caller("scoped", |caller| caller.scopes(&[]));
    let held = setup.caller("held", |caller| {
        caller.companies(&[100_301]);
        caller.queues(&[SALES]);
    });
    let world = setup.start().await;
    let send = async |method: &str, path: &str, key: Option<&str>, body: &str| {
        let request = world.request(method, path).body(body.to_owned()).header("content-type", "text/plain");
        world.send(key.map_or(request.try_clone().unwrap(), |key| request.header("authorization", key))).await.problem()
    };
    // 404 and 405, then 401.
    assert_eq!(send("POST", "/nowhere", None, "[").await, "not_found");
    assert_eq!(send("POST", ORGANIZATION.path, Some("wgw_bad"), "[").await, "method_not_allowed");
    // 401, then the rest.
    assert_eq!(send("POST", SUMMARY.path, None, "[").await, "missing_credential");
    assert_eq!(send("POST", SUMMARY.path, Some("wgw_bad"), "[").await, "invalid_key");
    // 429, then 403 for the scope.
    assert_eq!(send("POST", SUMMARY.path, Some(&spent), "[").await, "forbidden");
    assert_eq!(send("POST", SUMMARY.path, Some(&spent), "[").await, "rate_limited");
    // 403 for the scope, then 413, 415 and 400.
    assert_eq!(send("POST", SUMMARY.path, Some(&scoped), "[").await, "forbidden");
    assert_eq!(send("POST", SUMMARY.path, Some(&scoped), &" ".repeat(70_000)).await, "forbidden");
    assert_eq!(send("GET", "/survey/queries/questions/x?y", Some(&scoped), "").await, "forbidden");
    assert_eq!(send("POST", SUMMARY.path, Some(&held), "[").await, "unsupported_media_type");
    // 400, then 403 for a company or queue.
    let answer = world.post_as(&held, SURVEYS.path, r#"{"companyId":2,"limit":0}"#).await;
    assert_eq!((answer.problem().as_str(), answer.pointers()), ("invalid_request", vec!["/limit".to_owned()]));
    let answer = world.post_as(&held, SUMMARY.path, &format!(r#"{{"queues":["{SUPPORT}"],"x":1}}"#)).await;
    assert_eq!((answer.problem().as_str(), answer.pointers()), ("invalid_request", vec!["/x".to_owned()]));
    assert_eq!(world.get_as(&held, "/survey/queries/questions/2?y=1").await.problem(), "invalid_request");
    assert_eq!(world.get_as(&held, "/survey/queries/questions/2").await.problem(), "forbidden");
    assert_eq!(world.vendor_calls_in_all(), 0);
}

#[tokio::test]
async fn every_answer_bears_the_callers_request_id_if_it_is_sane_and_else_a_new_one() {
    let world = World::new().await;
    let longest = "x".repeat(128);
    let too_long = "x".repeat(129);
    for (path, key) in [
        ("/api/v1/queries/organization", world.key()),
        ("/api/v1/queries/organization", "wgw_bad"),
        ("/api/v1/auth/login", ""),
        ("/nowhere", ""),
        ("/livez", ""),
    ] {
        for (id, kept) in [
            ("a", true),
            ("Trace-1_2.3", true),
            (&longest, true),
            (&too_long, false),
            ("a b", false),
            ("a\"b", false),
            ("é", false),
            ("", false),
        ] {
            let request =
                world.request_at_root("GET", path).header("authorization", key).header("x-request-id", id.as_bytes());
            let answer = world.send(request).await;
            let told = answer.header("x-request-id");
            assert!(!told.is_empty(), "{path}");
            assert_eq!(told == id, kept, "{path}: {id} became {told}");
            if answer.status >= 400 {
                // This compares the document's requestId with the header's.
                answer.problem();
            }
        }
    }
    let ids: BTreeSet<_> = [world.get("/nowhere").await, world.get("/nowhere").await]
        .map(|answer| answer.header("x-request-id").to_owned())
        .into();
    assert_eq!(ids.len(), 2, "made anew for each");
}
