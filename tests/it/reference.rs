//! Every curl of the vendor's reference, sent through the gateway as the reference writes it: only the base URL and
//! the credential are exchanged. What comes back is built as the reference's example; what the vendor got is the
//! gateway's own request and nothing of the caller's.

use std::{collections::BTreeSet, mem::discriminant};

use serde_json::Value;
use wesal_gateway::config::Secret;

use crate::harness::{Answer, Setup, World};

/// The client id of the reference's examples.
const CLIENT_ID: &str = "RW5jb2RlIHRvIEJhc2U2NCBmb3JtYXQ=";

const JSON: (&str, &str) = ("Content-Type", "application/json");

/// What apps, proxies and the careless send along. The vendor would obey the last.
const NOISE: [(&str, &str); 10] = [
    ("User-Agent", "curl/8.5.0"),
    ("Cookie", "session=1"),
    ("X-Evil", "1"),
    ("X-Request-Id", "caller-1"),
    ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ("Forwarded", "for=192.0.2.1"),
    ("X-Forwarded-For", "192.0.2.1"),
    ("Referer", "https://app.example/"),
    ("Accept-Language", "ar"),
    ("X-Simulate-Fault", "error"),
];

async fn curl(world: &World, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = world.request(method, path);
    for (name, value) in headers.iter().chain(&NOISE) {
        request = request.header(*name, *value);
    }
    let answer = world.send(if method == "GET" { request } else { request.body(body.to_owned()) }).await.ok();
    assert_eq!(answer.header("x-request-id"), "caller-1");
    answer
}

/// The answer is built as the example: the same members and types all the way down. A member `...` in an example
/// stands for the reference's dots; `null` and a number are alike, as the first page has no previous one.
fn built_as(example: &str, answer: &Answer) {
    same(&answer.json(), &serde_json::from_str(example).unwrap(), "");
}

fn same(answer: &Value, example: &Value, place: &str) {
    match (answer, example) {
        (Value::Object(answer), Value::Object(example)) => {
            let names = |object: &serde_json::Map<String, Value>| object.keys().cloned().collect::<BTreeSet<_>>();
            let (mut named, mut got) = (names(example), names(answer));
            if named.remove("...") {
                got.retain(|name| named.contains(name));
            }
            assert_eq!(got, named, "at {place}");
            named.iter().for_each(|name| same(&answer[name], &example[name], &format!("{place}/{name}")));
        }
        (Value::Array(answer), Value::Array(example)) => {
            assert!(!answer.is_empty(), "nothing at {place}");
            answer.iter().for_each(|row| same(row, &example[0], &format!("{place}/*")));
        }
        (Value::Null | Value::Number(_), Value::Null | Value::Number(_)) => {}
        (answer, example) => assert_eq!(discriminant(answer), discriminant(example), "at {place}: {answer}"),
    }
}

/// The vendor's latest call of a route is the gateway's own: this path and body, one credential, no other header
/// than the gateway's HTTP needs, and nowhere the caller's key.
fn vendor_got(world: &World, route: &str, method: &str, path: &str, body: &str) {
    let call = world.vendor.last_request(route).unwrap();
    assert_eq!((call.method.as_str(), call.target.as_str()), (method, format!("/api/v1{path}").as_str()));
    assert_eq!(String::from_utf8_lossy(&call.body), body);

    let is_auth = path.starts_with("/auth/");
    let mut expected = BTreeSet::from(["accept", "accept-encoding", "host", "user-agent"]);
    expected.insert(if is_auth { "x-client-id" } else { "authorization" });
    if method == "POST" {
        expected.extend(["content-length", "content-type"]);
        assert_eq!(call.header("content-type"), Some("application/json"));
    }
    let got: BTreeSet<_> = call.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(got, expected);
    assert_eq!(call.headers.len(), expected.len(), "a header came twice");
    assert!(call.header("user-agent").unwrap().starts_with("wesal-gateway/"));
    if is_auth {
        assert_eq!(call.header("x-client-id"), Some(CLIENT_ID));
    } else {
        let token = call.header("authorization").unwrap();
        assert!(token.starts_with("eyJ") && !token.contains(' '), "not the bare token: {token}");
    }
    let everything = format!("{:?} {}", call.headers, String::from_utf8_lossy(&call.body));
    assert!(!everything.contains(world.key()), "the caller's key went to the vendor");
}

const LOGGED_IN: &str = r#"{
"data": {
"user":{
"id": 879987,
"firstName": "Ahmed",
"lastName": "Mohammed",
"email": "ahmed@wesal.example",
"status": 1,
"createdAt": "2023-10-18T11:28:23.027Z",
"updatedAt": "2023-10-18T11:28:23.027Z"
},
"access_token":"2RlIHRvIEJhc2U2NCBmb3Jt..."
},
"success": true
}"#;

#[tokio::test]
async fn login_opens_a_session_for_a_callers_name_or_login_and_its_key() {
    let mut setup = Setup::default();
    let key = setup.caller("wallboard", |caller| caller.login("ahmed@wesal.example"));
    let world = setup.start().await;
    world.logged_in().await;
    let with_client_id = [JSON, ("X-Client-Id", CLIENT_ID)];
    let with_another = [JSON, ("X-Client-Id", "c29tZXRoaW5nIGVsc2U=")];
    for (email, headers) in
        [("wallboard", &with_client_id[..]), ("ahmed@wesal.example", &with_another), ("wallboard", &[JSON])]
    {
        let body = format!("{{\n\"email\":\"{email}\",\n\"password\":\"{key}\"\n}}");
        let answer = curl(&world, "POST", "/auth/login", headers, &body).await;
        built_as(LOGGED_IN, &answer);
        let data = &answer.json()["data"];
        assert_eq!(data["user"]["email"], email);
        assert_eq!(data["user"]["firstName"], "wallboard");
        let token = data["access_token"].as_str().unwrap();
        for credential in [token.to_owned(), format!("Bearer {token}")] {
            curl(&world, "GET", "/queries/organization", &[JSON, ("Authorization", &credential)], "").await;
        }
    }
    assert_eq!(world.vendor_calls("login"), 1, "the vendor has had the service login and no other");
    let own = world.vendor.credentials();
    let body = format!(r#"{{"email":"{}","password":"{}"}}"#, own.email, own.password);
    vendor_got(&world, "login", "POST", "/auth/login", &body);
}

const SUCCESS: &str = r#"{
"success": true
}"#;

/// A world where the vendor's one account is somebody's, and not the gateway's own.
async fn world_of_ahmed() -> World {
    let mut setup = Setup::default();
    setup.vendor.credentials.email = "ahmed@wesal.example".to_owned();
    setup.config.upstream.email = Secret::new("gateway@wesal.example");
    setup.start().await
}

#[tokio::test]
async fn reset_and_verify_change_a_password_in_two_steps() {
    let world = world_of_ahmed().await;
    let reset = r#"{
"method":"email",
"email":"ahmed@wesal.example",
"phone":""
}"#;
    let verify = r#"{
"method":"email",
"email":"ahmed@wesal.example",
"verifyCode":"iZvqjoUPKJvhf2XcU1ES",
"otp":"",
"password":"123456789"
}"#;
    // The reference sends no Authorization here: the key stands where the client id stood.
    let credential = [JSON, ("X-Client-Id", world.key())];
    built_as(SUCCESS, &curl(&world, "POST", "/auth/reset", &credential, reset).await);
    let sent = r#"{"method":"email","email":"ahmed@wesal.example","phone":""}"#;
    vendor_got(&world, "reset", "POST", "/auth/reset", sent);

    built_as(SUCCESS, &curl(&world, "POST", "/auth/verify", &credential, verify).await);
    let sent = r#"{"method":"email","email":"ahmed@wesal.example","verifyCode":"iZvqjoUPKJvhf2XcU1ES","otp":"","password":"123456789"}"#;
    vendor_got(&world, "verify", "POST", "/auth/verify", sent);
    assert_eq!(world.vendor.credentials().password, "123456789");

    // An app that keeps the vendor's client id beside its key is served too.
    let both = [JSON, ("X-Client-Id", CLIENT_ID), ("Authorization", world.key())];
    built_as(SUCCESS, &curl(&world, "POST", "/auth/reset", &both, reset).await);
}

#[tokio::test]
async fn logout_by_either_path_succeeds_and_leaves_the_service_login_alone() {
    let world = World::new().await;
    world.logged_in().await;
    for path in ["/auth/logout", "/auth/reset_pwd"] {
        let answer = curl(&world, "GET", path, &[JSON, ("Authorization", world.key())], "").await;
        built_as(SUCCESS, &answer);
        assert_eq!(answer.text(), r#"{"success":true}"#);
    }
    assert_eq!(world.vendor_calls_in_all(), 0);
    world.get("/queries/organization").await.ok();
    assert_eq!(world.logins(), (1, 0));
}

#[tokio::test]
async fn organization() {
    let world = World::new().await;
    let credential = [JSON, ("Authorization", world.key())];
    let answer = curl(&world, "GET", "/queries/organization", &credential, "").await;
    built_as(
        r#"{
"data": {
"organization": {
"id": 1003,
"name": "Organization Name",
"region": "ie",
"organizationId": "9363d658-d638-××××-911f-××××c1f67181"
},
"companies": [
{
"id": 100301,
"name": "Company Name"
},
{
"id": 100302,
"name": "Company Name"
}
]
},
"success": true
}"#,
        &answer,
    );
    vendor_got(&world, "organization", "GET", "/queries/organization", "");
}

#[tokio::test]
async fn questions() {
    let world = World::new().await;
    // The only example without a Content-Type.
    let credential = [("Authorization", world.key())];
    let answer = curl(&world, "GET", "/survey/queries/questions/100301", &credential, "").await;
    built_as(
        r#"{
"data": {
"questions": [
{
"id": 1,
"name": "How satisfied are you with callcenter",
"answers": [
{
"id": 1,
"title": "high",
"value": "1"
}
]
}
]
},
"success": true
}"#,
        &answer,
    );
    vendor_got(&world, "questions", "GET", "/survey/queries/questions/100301", "");
}

#[tokio::test]
async fn surveys() {
    let world = World::new().await;
    let body = r#"{
"filters": [
{
"dimension": "dateTime",
"value": {
"startTime":"2023-12-12T00:00:00",
"endTime":"2023-12-13T00:00:00"
}
}
],
"companyId": 1,
"extended": false,
"offset": 0,
"limit": 50
}"#;
    let credential = [JSON, ("Authorization", world.key())];
    let answer = curl(&world, "POST", "/survey/queries/surveys", &credential, body).await;
    built_as(
        r#"{
"data": {
"profile": {
"id":1006549887,
"region": "ie",
"name":"Wesal",
"organizationId": "9363d889-xxxx-xxxx-xxxx-cd3ac1f67181",
"companyId":"1000069",
"companyName":"Hadef IT"
},
"surveys": [
{
"id": "9363d889-xxxx-xxxx-xxxx-cd3ac1f67131",
"conversation": {
"id": "9363d889-xxxx-xxxx-xxxx-cd3ac1f67131",
"queueName": "SALES-01",
"agentName": "Ahmed Mohammed",
"url": "https://apps.mypurecloud.ie/xxx",
"callerId": "tel:+966xxxxxxxxx",
"mediaType": "Voice",
"createdAt": "2023-10-17T11:28:23.027Z"
},
"answers": [
{
"id": 302,
"questionId": 853,
"questionName": "Service Satisfaction",
"answerTitle": "Yes",
"answerValue": 1,
"createdAt": "2023-10-18T11:28:23.027Z"
}
]
}
],
"pagination": {
"currentPage": 1,
"totalPages": 491,
"previousPage": null,
"nextPage": 2,
"totalItems": 49093
}
},
"success": true
}"#,
        &answer,
    );
    let sent = r#"{"filters":[{"dimension":"dateTime","value":{"endTime":"2023-12-13T00:00:00","startTime":"2023-12-12T00:00:00"}}],"companyId":1,"extended":false,"offset":0,"limit":50}"#;
    vendor_got(&world, "surveys", "POST", "/survey/queries/surveys", sent);
}

const QUEUES: &str = r#"{
"queues": [
"01756dxx-xxxx-xxxx-xxxx-7c12cf9a0dxx",
"02795dxx-xxxx-xxxx-xxxx-2f13cf5a0dxx"
]
}"#;
const QUEUES_SENT: &str =
    r#"{"queues":["01756dxx-xxxx-xxxx-xxxx-7c12cf9a0dxx","02795dxx-xxxx-xxxx-xxxx-2f13cf5a0dxx"]}"#;

#[tokio::test]
async fn summary() {
    let world = World::new().await;
    let credential = [JSON, ("Authorization", world.key())];
    let answer = curl(&world, "POST", "/analytics/runtime/queues/summary", &credential, QUEUES).await;
    built_as(
        r#"{
"data": {
"success": true,
"result": [
{
"success": true,
"id": "01756dxx-xxxx-xxxx-xxxx-7c12cf9a0dxx",
"name": "Sales",
"memberCount": 11,
"...": null
}
]
},
"success": true
}"#,
        &answer,
    );
    vendor_got(&world, "summary", "POST", "/analytics/runtime/queues/summary", QUEUES_SENT);
}

#[tokio::test]
async fn activity() {
    let world = World::new().await;
    let credential = [JSON, ("Authorization", world.key())];
    let answer = curl(&world, "POST", "/analytics/runtime/queues/activity", &credential, QUEUES).await;
    built_as(
        r#"{
"data": {
"success": true,
"result": [
{
"queueId": "01756dxx-xxxx-xxxx-xxxx-7c12cf9a0dxx",
"data": [
{
"qualifier": "IDLE",
"count": 1
}
]
}
]
},
"success": true
}"#,
        &answer,
    );
    vendor_got(&world, "activity", "POST", "/analytics/runtime/queues/activity", QUEUES_SENT);
}

#[tokio::test]
async fn performance() {
    let world = World::new().await;
    let body = r#"{
"queues": [
"01756dxx-xxxx-xxxx-xxxx-7c12cf9a0dxx",
"02795dxx-xxxx-xxxx-xxxx-2f13cf5a0dxx"
],
"interval": "2024-01-28T09:00:00.000Z/2024-01-28T10:00:00.000Z",
"partial": false
}"#;
    let credential = [JSON, ("Authorization", world.key())];
    let answer = curl(&world, "POST", "/analytics/queues/performance", &credential, body).await;
    built_as(
        r#"{
"data": {
"success": true,
"result": [
{
"queryId": "01756dxx-xxxx-xxxx-xxxx-7c12cf9a0dxx",
"data": [
{
"interval": "2024-01-28T09:00:00.000Z/2024-01-28T09:30:00.000Z",
"metrics": {
"ASA": 43445,
"Answer": 2,
"MetSLA": 1,
"OverSLA": 1,
"...": null
}
}
]
}
]
},
"success": true
}"#,
        &answer,
    );
    let sent = r#"{"queues":["01756dxx-xxxx-xxxx-xxxx-7c12cf9a0dxx","02795dxx-xxxx-xxxx-xxxx-2f13cf5a0dxx"],"interval":"2024-01-28T09:00:00.000Z/2024-01-28T10:00:00.000Z","partial":false}"#;
    vendor_got(&world, "performance", "POST", "/analytics/queues/performance", sent);
}
