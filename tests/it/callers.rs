//! Who may call, what each may ask, and the login routes.

use wesal_gateway::{auth::ApiKey, model::Scope};

use crate::harness::{Answer, SALES, SUPPORT, Setup, World, secs};

const ORGANIZATION: &str = "/queries/organization";
const SUMMARY: &str = "/analytics/runtime/queues/summary";
const OTHER_ACCOUNT: &str = r#"{"method": "email", "email": "other@wesal.example"}"#;

/// The status, the `code`, and the vendor's code that means the same.
fn told(answer: &Answer) -> (u16, String, Option<String>) {
    let code = answer.problem();
    (answer.status, code, answer.json()["wesalCode"].as_str().map(str::to_owned))
}

fn invalid_key() -> (u16, String, Option<String>) {
    (401, "invalid_key".to_owned(), Some("X001".to_owned()))
}

async fn with_headers(world: &World, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = world.request(method, path);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let body = if method == "POST" { OTHER_ACCOUNT } else { "" };
    world.send(request.header("content-type", "application/json").body(body)).await
}

#[tokio::test]
async fn one_credential_is_taken_in_any_of_its_forms() {
    let world = World::new().await;
    let key = world.key();
    let (bearer, lower, basic) = (format!("Bearer {key}"), format!("bearer  {key}"), format!("Basic {key}"));
    let (a, x, c) = ("authorization", "x-api-key", "x-client-id");
    let none = (401, "missing_credential");
    let wrong = (401, "invalid_key");
    let two = (400, "invalid_request");
    let rows: [(&[(&str, &str)], _); 15] = [
        (&[(a, key)], None),
        (&[(a, &bearer)], None),
        (&[(a, &lower)], None),
        (&[(x, key)], None),
        (&[(a, &bearer), (x, key)], None),
        (&[(a, key), (c, "whatever")], None),
        (&[], Some(none)),
        (&[(a, "")], Some(none)),
        (&[(a, "Bearer")], Some(none)),
        (&[(c, key)], Some(none)),
        (&[(a, &basic)], Some(wrong)),
        (&[(a, "wgw_nonsense")], Some(wrong)),
        (&[(a, "é")], Some(wrong)),
        (&[(a, key), (x, "another")], Some(two)),
        (&[(a, key), (a, "another")], Some(two)),
    ];
    for (headers, refusal) in rows {
        let answer = with_headers(&world, "GET", ORGANIZATION, headers).await;
        match refusal {
            None => assert_eq!(answer.status, 200, "{headers:?}"),
            Some(refusal) => {
                assert_eq!((answer.status, answer.problem().as_str()), refusal, "{headers:?}");
                assert_eq!(answer.header("www-authenticate").is_empty(), refusal.0 != 401);
            }
        }
    }
    let session = with_headers(&world, "GET", ORGANIZATION, &[(a, "Bearer eyJhbGciOiJIUzI1NiJ9.e30.x")]).await;
    assert_eq!(told(&session), (401, "invalid_session".to_owned(), Some("X003".to_owned())));
    // The reference's own curls of these two bear nothing else.
    for path in ["/auth/reset", "/auth/verify"] {
        assert_ne!(with_headers(&world, "POST", path, &[(c, key)]).await.status, 401, "{path}");
        assert_eq!(told(&with_headers(&world, "POST", path, &[(c, "RW5j")]).await), invalid_key(), "{path}");
    }
}

#[tokio::test]
async fn a_key_that_is_not_good_is_refused_whatever_the_reason() {
    let mut setup = Setup::default();
    let disabled = setup.caller("off", |caller| caller.disabled());
    let ending = setup.caller("ending", |caller| caller.expires("2026-11-22T13:00:00Z"));
    let mut second = String::new();
    let first = setup.caller("twice", |caller| second = caller.one_more_key());
    let world = setup.start().await;
    for key in [&first, &second, &ending] {
        world.get_as(key, ORGANIZATION).await.ok();
    }
    let unknown = ApiKey::generate().unwrap().expose().to_owned();
    let last = if world.key().ends_with('0') { '1' } else { '0' };
    let mistyped = format!("{}{last}", &world.key()[..world.key().len() - 1]);
    for key in [&unknown, &mistyped, &disabled] {
        assert_eq!(told(&world.get_as(key, ORGANIZATION).await), invalid_key());
    }
    world.advance(secs(3598));
    world.get_as(&ending, ORGANIZATION).await.ok();
    world.advance(secs(1));
    assert_eq!(told(&world.get_as(&ending, ORGANIZATION).await), invalid_key(), "its time is over");
    world.get_as(&first, ORGANIZATION).await.ok();
}

#[tokio::test]
async fn a_scope_opens_its_own_routes_and_no_other() {
    let mut setup = Setup::default();
    let keys: Vec<_> = Scope::ALL.map(|scope| (scope, setup.caller(scope.as_str(), |c| c.scopes(&[scope])))).into();
    let nothing = setup.caller("nothing", |caller| caller.scopes(&[]));
    let world = setup.start().await;
    let queues = format!(r#"{{"queues": ["{SALES}"]}}"#);
    let interval = format!(r#"{{"queues": ["{SALES}"], "interval": "2026-11-22T09:00:00Z/2026-11-22T10:00:00Z"}}"#);
    let verify = r#"{"method": "email", "email": "other@wesal.example", "verifyCode": "x", "password": "y"}"#;
    // The vendor knows no other account than ours, so that the best that comes of these two is its refusal.
    let routes = [
        (Scope::Organization, ORGANIZATION, None, 200),
        (Scope::Questions, "/survey/queries/questions/100301", None, 200),
        (Scope::Surveys, "/survey/queries/surveys", Some(r#"{"companyId": 100301}"#), 200),
        (Scope::Queues, SUMMARY, Some(queues.as_str()), 200),
        (Scope::Queues, "/analytics/runtime/queues/activity", Some(&queues), 200),
        (Scope::Queues, "/analytics/queues/performance", Some(&interval), 200),
        (Scope::Account, "/auth/reset", Some(OTHER_ACCOUNT), 400),
        (Scope::Account, "/auth/verify", Some(verify), 400),
    ];
    for (needed, path, body, best) in routes {
        let ask = async |key: &str| match body {
            Some(body) => world.post_as(key, path, body).await,
            None => world.get_as(key, path).await,
        };
        for (scope, key) in &keys {
            let answer = ask(key).await;
            if *scope == needed {
                assert_eq!(answer.status, best, "{scope} on {path}");
            } else {
                assert_eq!(told(&answer), (403, "forbidden".to_owned(), Some("X002".to_owned())), "{scope} on {path}");
                let detail = format!("This key does not have the scope {needed}. ");
                assert!(answer.json()["detail"].as_str().unwrap().starts_with(&detail), "{answer:?}");
            }
        }
        assert_eq!(ask(&nothing).await.problem(), "forbidden", "{path}");
    }
    for path in ["/auth/logout", "/auth/reset_pwd"] {
        assert_eq!(world.get_as(&nothing, path).await.ok().text(), r#"{"success":true}"#);
    }
}

/// A refusal, headers and all, without what is the request's own.
fn without(answer: &Answer, own: &str) -> (u16, Vec<String>) {
    let all = format!("{}{}", answer.head(), answer.text());
    let all = all.replace(answer.header("x-request-id"), "ID").replace(own, "OWN");
    let mut lines: Vec<_> = all.lines().filter(|line| !line.starts_with("ratelimit:")).map(str::to_owned).collect();
    lines.sort();
    (answer.status, lines)
}

#[tokio::test]
async fn a_callers_companies_are_all_that_it_sees() {
    let mut setup = Setup::default();
    let key = setup.caller("najd", |caller| caller.companies(&[100_301, 100_303, 7]));
    let none = setup.caller("none", |caller| caller.companies(&[]));
    let world = setup.start().await;
    let questions = |company: u64| format!("/survey/queries/questions/{company}");
    let surveys = |company: u64| format!(r#"{{"companyId": {company}}}"#);

    // Another caller has asked already: what is kept opens nothing.
    world.get(&questions(100_302)).await.ok();
    let calls = world.vendor.stats().total_calls();
    let foreign = world.get_as(&key, &questions(100_302)).await;
    let unknown = world.get_as(&key, &questions(100_399)).await;
    assert_eq!(told(&foreign), (403, "forbidden".to_owned(), Some("X002".to_owned())));
    assert_eq!(without(&foreign, "100302"), without(&unknown, "100399"), "a company's existence shows");
    for company in [100_302, 100_399] {
        assert_eq!(world.post_as(&key, "/survey/queries/surveys", &surveys(company)).await.problem(), "forbidden");
    }
    assert_eq!(world.vendor.stats().total_calls(), calls);
    world.get_as(&key, &questions(100_301)).await.ok();
    world.post_as(&key, "/survey/queries/surveys", &surveys(100_303)).await.ok();

    let listed = async |key: &str| {
        let organization = world.get_as(key, ORGANIZATION).await.ok();
        let ids =
            organization.json()["data"]["companies"].as_array().unwrap().iter().map(|c| c["id"].clone()).collect();
        (ids, organization.header("etag").to_owned())
    };
    let (mine, my_tag): (Vec<_>, _) = listed(&key).await;
    let (all, tag) = listed(world.key()).await;
    assert_eq!((mine, all.len(), listed(&none).await.0), (vec![100_301.into(), 100_303.into()], 5, vec![]));
    assert_ne!(my_tag, tag, "a tag of what it may not see");
    assert_eq!(world.vendor_calls("organization"), 1);
}

#[tokio::test]
async fn a_callers_queues_are_all_that_it_may_ask() {
    let mut setup = Setup::default();
    let key = setup.caller("sales", |caller| caller.queues(&[SALES]));
    let world = setup.start().await;
    let body = |ids: &[&str]| serde_json::json!({"queues": ids}).to_string();
    let nowhere = SUPPORT.replace('2', "3");
    for path in [SUMMARY, "/analytics/runtime/queues/activity"] {
        world.post(path, &body(&[SALES, SUPPORT])).await.ok();
        world.post(path, &body(&[SUPPORT])).await.ok();
        let calls = world.vendor.stats().total_calls();
        let foreign = world.post_as(&key, path, &body(&[SUPPORT])).await;
        let unknown = world.post_as(&key, path, &body(&[&nowhere])).await;
        assert_eq!(told(&foreign), (403, "forbidden".to_owned(), Some("X002".to_owned())));
        assert_eq!(without(&foreign, SUPPORT), without(&unknown, &nowhere), "a queue's existence shows");
        let mixed = world.post_as(&key, path, &body(&[SALES, SUPPORT, SALES, &nowhere])).await;
        assert_eq!(
            (mixed.problem().as_str(), mixed.pointers()),
            ("forbidden", vec!["/queues/1".into(), "/queues/3".into()])
        );
        assert_eq!(world.vendor.stats().total_calls(), calls, "nothing was spent on them");
        world.post_as(&key, path, &body(&[SALES])).await.ok();
    }
}

async fn log_in(world: &World, email: &str, password: &str) -> Answer {
    let body = serde_json::json!({"email": email, "password": password}).to_string();
    let request = world.request("POST", "/auth/login").header("content-type", "application/json");
    world.send(request.header("x-client-id", "of no account").body(body)).await
}

#[tokio::test]
async fn an_app_that_speaks_wesal_logs_in_with_its_name_and_key() {
    let mut setup = Setup::default();
    let key = setup.caller("board", |caller| caller.login("board@example.com"));
    let world = setup.start().await;
    world.logged_in().await;
    for email in ["board", "board@example.com"] {
        let answer = log_in(&world, email, &key).await.ok().json();
        assert_eq!((&answer["success"], &answer["data"]["user"]["email"]), (&true.into(), &email.into()));
        let user = answer["data"]["user"].as_object().unwrap();
        let names = ["createdAt", "email", "firstName", "id", "lastName", "status", "updatedAt"];
        assert_eq!(user.keys().map(String::as_str).collect::<std::collections::BTreeSet<_>>(), names.into());
        let token = answer["data"]["access_token"].as_str().unwrap();
        world.get_as(token, ORGANIZATION).await.ok();
        assert_eq!(world.get_as(token, "/auth/logout").await.ok().text(), r#"{"success":true}"#);
    }
    let own = world.vendor.credentials();
    for (email, password) in [
        ("board", "wrong"),
        ("nobody", "wrong"),
        ("nobody", key.as_str()),
        ("app", key.as_str()),
        ("board", world.key()),
        ("board@example.com", world.key()),
        (&own.email, &own.password),
    ] {
        assert_eq!(told(&log_in(&world, email, password).await), invalid_key(), "{email}");
    }
    // Nothing of all this was the vendor's business.
    assert_eq!((world.logins(), world.vendor_calls("logout"), world.vendor_calls("login")), ((1, 0), 0, 1));
    world.get("/survey/queries/questions/100301").await.ok();
    assert_eq!(world.logins(), (1, 0));
}

#[tokio::test]
async fn a_password_reset_travels_rewritten_and_comes_back_without_the_vendors_words() {
    let mut setup = Setup::default();
    // Not the vendor's one account, so that this can be reset.
    setup.config.upstream.email = wesal_gateway::config::Secret::new("gateway@wesal.example");
    let world = setup.start().await;
    let own = world.vendor.credentials();
    for route in ["reset", "verify"] {
        world.vendor.set_answer(route, r#"{"success": true, "data": {"token": "of the vendor"}}"#);
    }
    let (email, spaced) = (own.email.as_str(), "{ \"phone\":\"+966 55\",\n \"email\": \"E\", \"method\":\"email\" }");
    let reset = world.post("/auth/reset", &spaced.replace('E', email)).await.ok();
    let code = world.vendor.last_code().unwrap();
    let body = serde_json::json!({"password": "new", "verifyCode": code, "email": email, "method": "email"});
    let verify = world.post("/auth/verify", &body.to_string()).await.ok();
    for (route, answer, sent) in [
        ("reset", reset, format!(r#"{{"method":"email","email":"{email}","phone":"+966 55"}}"#)),
        ("verify", verify, format!(r#"{{"method":"email","email":"{email}","verifyCode":"{code}","password":"new"}}"#)),
    ] {
        assert_eq!(answer.text(), r#"{"success":true}"#, "{route}");
        let call = world.vendor.last_request(route).unwrap();
        assert_eq!(String::from_utf8(call.body.to_vec()).unwrap(), sent);
        assert_eq!(call.header("x-client-id"), Some(own.client_id.as_str()));
        assert_eq!(call.header("authorization"), None);
    }
    assert_eq!(world.vendor.credentials().password, "new");
}
