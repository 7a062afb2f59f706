//! Vendor routes that the reference does not know and the configuration names.

use std::{fs, sync::Arc, time::Duration};

use serde_json::Value;
use wesal_gateway::{
    config::{RouteConfig, RouteMethod},
    model::Scope,
};
use wesal_simulator::Fault;

use crate::harness::{Answer, OddClock, Setup, in_time, run_by, secs, text_of};

const AGENT: &str = "/further/agents/{id}";
const OF_COMPANY: &str = "/further/companies/{companyId}/agents";
const SEARCH: &str = "/further/search";

fn scope(word: &str) -> Scope {
    word.parse().unwrap()
}

fn route(path: &str, methods: &[RouteMethod], scope_word: &str) -> RouteConfig {
    RouteConfig {
        path: path.parse().unwrap(),
        methods: methods.to_vec(),
        scope: scope(scope_word),
        query: vec!["lang".to_owned(), "page".to_owned()],
        ttl: secs(60),
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: secs(600),
    }
}

fn setup() -> Setup {
    let mut setup = Setup::default();
    setup.config.routes = vec![
        route(AGENT, &[RouteMethod::Get], "agents"),
        route(OF_COMPANY, &[RouteMethod::Get], "agents"),
        route(SEARCH, &[RouteMethod::Get, RouteMethod::Post], "search"),
    ];
    let app = &mut setup.config.callers[0];
    app.scopes.extend([scope("agents"), scope("search")]);
    app.may_refresh = true;
    setup
}

/// What the simulated vendor says that it was asked.
fn asked(body: &Value) -> (&str, &str, &Value) {
    let data = &body["data"];
    (data["path"].as_str().unwrap(), data["query"].as_str().unwrap(), &data["body"])
}

fn is_hit(answer: &Answer) -> bool {
    answer.header("cache-status").contains("; hit;")
}

#[tokio::test]
async fn a_further_route_is_asked_with_the_login_and_kept_as_a_document() {
    let world = setup().start().await;
    let first = world.get("/further/agents/7?lang=ar").await.ok();
    assert_eq!(asked(&first.json()), ("/api/v1/further/agents/7", "lang=ar", &Value::Null));
    let sent = world.vendor.last_request("further").unwrap();
    assert!(sent.header("authorization").is_some_and(|token| !token.contains(world.key())));
    assert!(!is_hit(&first) && first.header("cache-control") == "private, no-cache");

    world.advance(secs(59));
    let again = world.get("/further/agents/7?lang=ar").await.ok();
    assert!(is_hit(&again) && again.body == first.body);
    let request = world.request("GET", "/further/agents/7?lang=ar").header("authorization", world.key());
    let known = world.send(request.header("if-none-match", first.header("etag"))).await;
    assert_eq!((known.status, known.text()), (304, ""));
    let head =
        world.send(world.request("HEAD", "/further/agents/7?lang=ar").header("authorization", world.key())).await;
    assert_eq!((head.status, head.text(), head.header("etag")), (200, "", first.header("etag")));
    let request = world.request("HEAD", "/further/agents/7?lang=ar").header("authorization", world.key());
    let known = world.send(request.header("if-none-match", first.header("etag"))).await;
    assert_eq!((known.status, known.header("content-length")), (304, ""), "it would be that of the 200");
    assert_eq!(world.vendor_calls("further"), 1);

    world.advance(secs(2));
    assert!(!is_hit(&world.get("/further/agents/7?lang=ar").await.ok()));
    assert_eq!(world.vendor_calls("further"), 2);
    world.advance(secs(61));
    world.vendor.enqueue_fault("further", Fault::Unavailable);
    world.vendor.enqueue_fault("further", Fault::Unavailable);
    world.vendor.enqueue_fault("further", Fault::Unavailable);
    let stale = world.passing(world.get("/further/agents/7?lang=ar")).await.ok();
    assert!(stale.header("cache-status").contains("stale"), "{}", stale.head());
}

#[tokio::test]
async fn two_spellings_are_one_question_and_two_questions_are_never_one() {
    let world = setup().start().await;
    for same in [
        "/further/agents/a%20b?lang=ar&page=2",
        "/further/agents/%61%20b?lang=ar&page=2",
        "/further/agents/a%20b?page=2&lang=ar",
        "/further/agents/a%20b?page=%32&l%61ng=ar",
    ] {
        world.get(same).await.ok();
        assert_eq!(world.vendor_calls("further"), 1, "{same}");
    }
    let mut calls = 1;
    for other in [
        "/further/agents/a%20b",
        "/further/agents/a+b",
        "/further/agents/a%20B?lang=ar&page=2",
        "/further/agents/a%20b%3Flang=ar",
        "/further/agents/a%20b?lang=ar%26page%3D2",
    ] {
        let answer = world.get(other).await.ok();
        calls += 1;
        assert_eq!(world.vendor_calls("further"), calls, "{other}");
        assert!(!is_hit(&answer), "{other}");
    }

    let post = |body: &str| {
        let request = world.request("POST", SEARCH).header("authorization", world.key());
        world.send(request.header("content-type", "application/json").body(body.to_owned()))
    };
    let first = post(r#"{"name": "x", "filters": [1.0, {"b": 1, "a": 2}]}"#).await.ok();
    assert_eq!(asked(&first.json()).2, &serde_json::json!({"filters": [1.0, {"a": 2, "b": 1}], "name": "x"}));
    assert!(is_hit(&post(r#"{"filters":[1.0,{"a":2,"b":1}],"n\u0061me":"x"}"#).await.ok()));
    assert!(!is_hit(&post(r#"{"filters":[1,{"a":2,"b":1}],"name":"x"}"#).await.ok()));
    assert!(!is_hit(&world.get(SEARCH).await.ok()));
    assert!(!is_hit(&post("{}").await.ok()));
    assert_eq!(world.vendor_calls("further"), calls + 4);
}

#[tokio::test]
async fn what_would_lead_elsewhere_or_is_not_named_is_refused_before_anything_is_spent() {
    let world = setup().start().await;
    for (path, parameter) in [
        ("/further/agents/%2e%2e%2F%2e%2e%2Fauth%2Flogin", "id"),
        ("/further/agents/a%2Fb", "id"),
        ("/further/agents/a%5Cb", "id"),
        ("/further/agents/%0a", "id"),
        ("/further/agents/%ff", "id"),
        ("/further/companies/x/agents", "companyId"),
        ("/further/agents/7?zone=1", "zone"),
        ("/further/agents/7?lang=a&lang=b", "lang"),
    ] {
        let answer = world.get(path).await;
        assert_eq!((answer.status, answer.problem().as_str()), (400, "invalid_request"), "{path}");
        assert_eq!(answer.json()["errors"][0]["parameter"], parameter, "{path}");
    }
    for path in ["/further/agents", "/further/agents/", "/further/agents/7/", "/further/agents/7/8", "/further/other"] {
        assert_eq!(world.get(path).await.problem(), "not_found", "{path}");
    }
    for (body, code) in [("{\"a\":1,\"a\":2}", "invalid_request"), ("[]", "invalid_request"), ("", "invalid_request")] {
        assert_eq!(world.post(SEARCH, body).await.problem(), code, "{body}");
    }
    for (method, path, allow) in [
        ("POST", "/further/agents/7", "GET,HEAD"),
        ("PUT", "/further/agents/7", "GET,HEAD"),
        ("DELETE", SEARCH, "GET,HEAD,POST"),
    ] {
        let answer = world.send(world.request(method, path).header("authorization", world.key())).await;
        assert_eq!(
            (answer.problem().as_str(), answer.header("allow")),
            ("method_not_allowed", allow),
            "{method} {path}"
        );
    }
    assert_eq!(world.vendor_calls_in_all(), 0);
}

#[tokio::test]
async fn a_key_needs_the_routes_own_scope_and_is_held_to_its_companies() {
    let mut setup = setup();
    let without = setup.caller("without", |_| {});
    let agents = setup.caller("agents", |caller| {
        caller.scopes(&[scope("agents")]);
        caller.companies(&[100_301]);
    });
    let world = setup.start().await;
    world.get("/further/agents/7").await.ok();
    world.get("/further/companies/100302/agents").await.ok();
    let ask = |key: &str, path: &str| world.send(world.request("GET", path).header("authorization", key));
    for (key, path, status) in [
        (&without, "/further/agents/7", 403),
        (&without, SEARCH, 403),
        (&agents, "/further/agents/7", 200),
        (&agents, SEARCH, 403),
        (&agents, "/queries/organization", 403),
        (&agents, "/further/companies/100301/agents", 200),
        (&agents, "/further/companies/100302/agents", 403),
    ] {
        let answer = ask(key, path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
    }
    assert_eq!(world.send(world.request("GET", "/further/agents/7")).await.problem(), "missing_credential");
}

#[tokio::test]
async fn no_spelling_leads_past_what_guards_another_route() {
    let mut setup = setup();
    let (get, post) = ([RouteMethod::Get], [RouteMethod::Post]);
    setup.config.routes.extend([
        route("/further/secret", &get, "search"),
        route("/further/{what}", &get, "wide"),
        route("/further/{a}/{b}/{c}", &get, "wide"),
        route("/queries/{what}", &get, "wide"),
        route("/survey/queries/{what}", &post, "wide"),
    ]);
    let wide = setup.caller("wide", |caller| {
        caller.scopes(&[scope("wide")]);
        caller.companies(&[100_301]);
    });
    let world = setup.start().await;
    for (method, path, status) in [
        ("GET", "/queries/organization", 403),
        ("GET", "/queries/%6frganization", 404),
        ("GET", "/queries/ORGANIZATION", 404),
        ("HEAD", "/queries/%6frganization", 404),
        ("POST", "/survey/queries/%73urveys", 404),
        ("POST", "/survey/queries/Surveys", 404),
        ("GET", "/further/secret", 403),
        ("GET", "/further/%73ecret", 404),
        ("GET", "/further/SECRET", 404),
        ("GET", "/further/companies/100302/agents", 403),
        ("GET", "/further/companies/100302/%61gents", 404),
        ("GET", "/%61uth/logout", 404),
    ] {
        let request = world.request(method, path).header("authorization", &wide);
        let request = request.header("content-type", "application/json").body("{\"companyId\": 100302}");
        assert_eq!(world.send(request).await.status, status, "{method} {path}");
    }
    assert_eq!(world.vendor_calls_in_all(), 0);
    let request = |path: &str| world.request("GET", path).header("authorization", &wide);
    world.send(request("/further/%6fther")).await.ok();
    assert_eq!(world.vendor.last_request("further").unwrap().target, "/api/v1/further/other");
}

#[tokio::test]
async fn one_odd_document_is_nobody_elses_outage() {
    let world = setup().start().await;
    world.get("/further/agents/1").await.ok();
    world.vendor.set_answer("further", "<html>".to_owned());
    for id in 10..30 {
        let answer = world.get(&format!("/further/agents/{id}")).await;
        assert_eq!(answer.problem(), "upstream_invalid_response");
    }
    world.vendor.clear_answer("further");
    for id in 30..40 {
        world.vendor.enqueue_fault("further", Fault::Huge);
        assert_eq!(world.get(&format!("/further/agents/{id}")).await.problem(), "upstream_invalid_response");
    }
    world.vendor.set_answer("further", "[{\"any\": \"JSON\"}]".to_owned());
    assert_eq!(world.get("/further/agents/40").await.ok().text(), "[{\"any\": \"JSON\"}]");
    world.vendor.clear_answer("further");
    world.get("/queries/organization").await.ok();

    let logins = world.vendor_calls("login");
    for _ in 0..20 {
        world.vendor.enqueue_fault("further", Fault::Unauthorized);
        world.vendor.enqueue_fault("further", Fault::Unauthorized);
        let refused = world.get("/further/agents/2").await;
        assert_eq!(refused.problem(), "upstream_login_failed");
        world.vendor.clear_faults("further");
        world.get("/further/agents/3?page=1").await.ok();
        world.advance(Duration::from_millis(100));
    }
    let more = world.vendor_calls("login") - logins;
    assert!(more <= 2, "{more} logins for the sake of one document");
    // And when the token does die, it is replaced for the others' sake.
    world.advance(secs(10));
    world.vendor.expire_tokens();
    world.get("/further/agents/3").await.ok();
}

#[tokio::test]
async fn many_who_ask_the_same_cost_one_call_and_a_refusal_is_the_vendors() {
    let world = setup().start().await;
    world.logged_in().await;
    let held = world.vendor.block_requests("further");
    let asking: Vec<_> = (0..50).map(|_| world.begin_get("/further/agents/7")).collect();
    world.vendor.wait_for_requests("further", 1).await;
    held.release();
    for asked in asking {
        asked.await.unwrap().ok();
    }
    assert_eq!(world.vendor_calls("further"), 1);
    let refused = world.get("/further/agents/unknown").await;
    assert_eq!((refused.status, refused.problem().as_str()), (400, "upstream_rejected"));
    assert_eq!(refused.json()["wesalCode"], "X004");
}

#[tokio::test]
async fn operators_see_it_by_its_template_can_purge_it_and_ask_what_is_held() {
    let world = setup().start().await;
    world.get("/further/agents/canary-7").await.ok();
    world.get("/further/agents/canary-7").await.ok();
    let metrics = world.send(world.request_admin("GET", "/metrics")).await;
    for line in [
        format!("wesal_gateway_requests_total{{caller=\"app\",route=\"{AGENT}\",status=\"200\",cache=\"hit\"}} 1"),
        format!("wesal_gateway_vendor_calls_saved_total{{route=\"{AGENT}\"}} 1"),
        format!("wesal_gateway_parts_total{{route=\"{AGENT}\",result=\"hit\"}} 1"),
        format!("wesal_gateway_vendor_calls_total{{route=\"{AGENT}\",outcome=\"ok\"}} 1"),
        format!("wesal_gateway_vendor_calls_saved_total{{route=\"{OF_COMPANY}\"}} 0"),
    ] {
        assert!(metrics.text().contains(&line), "{line}\n{}", metrics.text());
    }
    let status = world.send(world.request_admin("GET", "/admin/status")).await;
    assert_eq!(status.json()["routes"][AGENT]["saved"], 1);
    let kept = status.json()["cache"]["routes"].clone();
    assert_eq!(kept.as_array().unwrap()[5..], ["/analytics/queues/performance", AGENT, OF_COMPANY, SEARCH]);
    assert!(!metrics.text().contains("canary") && !status.text().contains("canary"));

    let explain = |body: &str| {
        let request = world.request_admin("POST", "/admin/cache/explain").header("content-type", "application/json");
        world.send(request.body(body.to_owned()))
    };
    for path in ["/further/agents/canary-7", "/api/v1/further/agents/canary%2D7"] {
        let told = explain(&format!("{{\"path\": \"{path}\"}}")).await;
        assert_eq!(told.json()["parts"][0]["freshness"], "fresh", "{}", told.text());
    }
    for (body, pointer) in [
        (r#"{"path": "/further/agents/a%2Fb"}"#, None),
        (r#"{"path": "/further/agents/7", "method": "POST"}"#, Some("/method")),
    ] {
        let told = explain(body).await;
        assert_eq!(told.problem(), "invalid_request");
        assert!(pointer.is_none_or(|pointer| told.pointers() == [pointer]));
    }
    assert_eq!(world.vendor_calls("further"), 1);

    let purge = |body: String| {
        let request = world.request_admin("POST", "/admin/cache/purge").header("content-type", "application/json");
        world.send(request.body(body))
    };
    assert_eq!(purge(format!("{{\"route\": \"{OF_COMPANY}\", \"hard\": true}}")).await.json()["purged"], 0);
    assert_eq!(purge(format!("{{\"route\": \"{AGENT}\", \"hard\": true}}")).await.json()["purged"], 1);
    assert!(!is_hit(&world.get("/further/agents/canary-7").await.ok()));
}

#[tokio::test]
async fn it_is_described_with_the_rest() {
    let world = setup().start().await;
    let document = world.send(world.request_at_root("GET", "/openapi.json")).await.json();
    let paths = &document["paths"];
    let agent = &paths[format!("/api/v1{AGENT}")]["get"];
    assert_eq!((&agent["x-scope"], &agent["x-freshness"]["ttl"]), (&"agents".into(), &"1m".into()));
    let parameters: Vec<_> =
        agent["parameters"].as_array().unwrap().iter().filter_map(|p| p["name"].as_str()).collect();
    assert_eq!(parameters, ["id", "lang", "page"]);
    let search = paths[format!("/api/v1{SEARCH}")].as_object().unwrap();
    assert_eq!(search.keys().collect::<Vec<_>>(), ["get", "head", "post"]);
    let page = world.send(world.request_at_root("GET", "/docs")).await;
    assert!(page.text().contains("a key with the scope <code>agents</code>"));
}

#[tokio::test]
async fn how_long_it_is_good_is_reloaded_and_what_else_changes_waits() {
    let mut setup = setup();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    setup.file = Some(file.clone());
    let mut world = setup.start().await;
    world.get("/further/agents/7").await.ok();
    world.config.routes[0].ttl = secs(5);
    world.config.routes[0].stale_if_error = secs(5);
    fs::write(&file, text_of(&world.config)).unwrap();
    let reloaded = world.send(world.request_admin("POST", "/admin/reload")).await;
    assert_eq!(reloaded.json()["needsRestart"].as_array().unwrap().len(), 0, "{}", reloaded.text());
    world.advance(secs(6));
    assert!(!is_hit(&world.get("/further/agents/7").await.ok()));

    // Who may ask holds at once, and so does it that nobody may any more.
    world.config.routes[0].scope = scope("search");
    let search = world.config.routes.pop().unwrap();
    world.config.callers[0].scopes.retain(|other| *other != scope("agents"));
    world.config.routes.remove(1);
    world.config.routes.push(search);
    fs::write(&file, text_of(&world.config)).unwrap();
    let reloaded = world.send(world.request_admin("POST", "/admin/reload")).await;
    assert_eq!(reloaded.json()["needsRestart"], serde_json::json!(["routes"]), "{}", reloaded.text());
    world.get("/further/agents/7").await.ok();
    assert_eq!(world.get("/further/companies/100301/agents").await.problem(), "not_found");
    world.config.routes[0].scope = scope("elsewhere");
    fs::write(&file, text_of(&world.config)).unwrap();
    world.send(world.request_admin("POST", "/admin/reload")).await;
    assert_eq!(world.get("/further/agents/7").await.problem(), "forbidden");
    world.config.routes[0].scope = scope("search");

    world.config.routes.push(route("/further/new", &[RouteMethod::Get], "search"));
    fs::write(&file, text_of(&world.config)).unwrap();
    let reloaded = world.send(world.request_admin("POST", "/admin/reload")).await;
    assert_eq!(reloaded.json()["needsRestart"], serde_json::json!(["routes"]), "{}", reloaded.text());
    assert_eq!(world.get("/further/new").await.problem(), "not_found");
    world.get("/further/agents/7").await.ok();
}

#[tokio::test]
async fn reload_between_checks_keeps_one_configurations_rights() {
    let mut setup = setup();
    setup.config.routes[0].scope = scope("agents");
    setup.config.callers[0].scopes = vec![scope("search")];
    let world = setup.start().await;
    let clock = OddClock::beside(&world.clock);
    let running = run_by(&world.config, Arc::new(clock.clone()), None).await;
    let mut exchanged = world.config.clone();
    exchanged.routes[0].scope = scope("search");
    exchanged.callers[0].scopes = vec![scope("agents")];
    let reloader = running.reloader.clone();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ready = || client.get(format!("http://{}/readyz", running.admin.unwrap())).send();
    in_time(async { while ready().await.unwrap().status() != 200 {} }).await;
    // The caller of the first configuration and the route's scope of the second would match. Neither configuration allows
    // the request.
    clock.next_time(move || {
        reloader.reload(&exchanged).unwrap();
    });
    let url = format!("http://{}/api/v1/further/agents/7", running.address.unwrap());
    let answer = world.send(client.get(url).header("authorization", world.key())).await;
    assert_eq!((answer.status, answer.problem().as_str()), (403, "forbidden"));
    let _ = running.stop.send(());
    in_time(running.task).await.unwrap();
}

#[tokio::test]
async fn empty_path_segments_are_no_parameters() {
    let world = setup().start().await;
    let path = "/further/companies//agents";
    assert_eq!(world.get_as("", path).await.problem(), "not_found", "before the credential is read");
    let refused = world.get(path).await;
    assert_eq!((refused.problem().as_str(), refused.header("ratelimit")), ("not_found", ""));
}

#[tokio::test]
async fn crossing_routes_are_found_in_the_order_of_the_configuration() {
    let mut setup = setup();
    setup.config.routes = vec![
        route("/further/{a}/lit", &[RouteMethod::Get], "agents"),
        route("/further/lit/{b}", &[RouteMethod::Get, RouteMethod::Post], "search"),
    ];
    let world = setup.start().await;
    let body = world.get("/further/lit/lit").await.ok().json();
    assert!(asked(&body).0.ends_with("/further/lit/lit"), "{body}");
    let refused = world.send(world.request("PUT", "/further/lit/lit").header("authorization", world.key())).await;
    assert_eq!((refused.problem().as_str(), refused.header("allow")), ("method_not_allowed", "GET,HEAD,POST"));
    let metrics = world.get_admin("/metrics").await;
    assert!(metrics.text().contains("route=\"/further/{a}/lit\",status=\"200\""));
}

#[tokio::test]
async fn base_path_may_look_like_a_parameter_of_another_router() {
    let mut setup = setup();
    setup.config.server.base_path = "/api/:v".to_owned();
    let world = setup.start().await;
    let request = world.request_at_root("GET", "/api/:v/queries/organization").header("authorization", world.key());
    world.send(request).await.ok();
}
