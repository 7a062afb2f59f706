//! The reference's curls against the simulated vendor.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use wesal_simulator::{Fault, Options, Simulator};

const SALES: &str = "01756dxx-xxxx-xxxx-xxxx-7c12cf9a0dxx";
const SUPPORT: &str = "02795dxx-xxxx-xxxx-xxxx-2f13cf5a0dxx";

/// A simulator with a manual clock.
struct Vendor {
    simulator: Simulator,
    seconds: Arc<AtomicU64>,
    token: String,
}

impl Vendor {
    async fn new(options: Options) -> Self {
        let seconds = Arc::new(AtomicU64::new(1_709_290_000));
        let clock = Arc::clone(&seconds);
        let now = Arc::new(move || UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::SeqCst)));
        let simulator = Simulator::new(Options { now, ..options });
        let mut vendor = Self { simulator, seconds, token: String::new() };
        vendor.token = vendor.login().await;
        vendor
    }

    async fn start() -> Self {
        Self::new(Options::default()).await
    }

    fn advance(&self, seconds: u64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }

    async fn login(&self) -> String {
        let own = self.simulator.credentials();
        let (status, body) = self.post("/auth/login", json!({"email": own.email, "password": own.password})).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body["data"]["access_token"].as_str().unwrap().to_owned()
    }

    async fn text(&self, method: &str, path: &str, headers: &[(&str, &str)], body: String) -> (StatusCode, String) {
        let mut request = Request::builder().method(method).uri(format!("/api/v1{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.simulator.router().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&bytes).into_owned())
    }

    async fn call(&self, method: &str, path: &str, body: String) -> (StatusCode, Value) {
        let client_id = self.simulator.credentials().client_id;
        let headers = [
            ("content-type", "application/json"),
            ("x-client-id", client_id.as_str()),
            ("authorization", self.token.as_str()),
        ];
        let (status, text) = self.text(method, path, &headers, body).await;
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.call("POST", path, body.to_string()).await
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.call("GET", path, String::new()).await
    }

    async fn summary(&self, ids: Value) -> Value {
        self.post("/analytics/runtime/queues/summary", json!({"queues": ids})).await.1["data"]["result"].clone()
    }
}

/// Asserts that `answer` has every field of `example` with a value of the same kind. The first row of a list stands for all.
fn has_shape(answer: &Value, example: &Value, at: &str) {
    match (answer, example) {
        (Value::Object(answer), Value::Object(example)) => {
            for (name, value) in example {
                has_shape(answer.get(name).unwrap_or_else(|| panic!("no {at}/{name}")), value, &format!("{at}/{name}"));
            }
        }
        (Value::Array(answer), Value::Array(example)) => {
            assert!(!answer.is_empty(), "{at} is empty");
            answer.iter().for_each(|row| has_shape(row, &example[0], at));
        }
        _ => assert_eq!(std::mem::discriminant(answer), std::mem::discriminant(example), "{at}: {answer}"),
    }
}

#[tokio::test]
async fn login_matches_the_example() {
    let vendor = Vendor::start().await;
    let own = vendor.simulator.credentials();
    let (_, body) = vendor.post("/auth/login", json!({"email": own.email, "password": own.password})).await;
    let user =
        json!({"id": 1, "firstName": "", "lastName": "", "email": "", "status": 1, "createdAt": "", "updatedAt": ""});
    has_shape(&body, &json!({"data": {"user": user, "access_token": ""}, "success": true}), "");
    assert!(body["data"]["access_token"].as_str().unwrap().starts_with("eyJ"));
}

#[tokio::test]
async fn reset_in_two_steps_changes_the_password() {
    let vendor = Vendor::start().await;
    let email = vendor.simulator.credentials().email;
    let step = json!({"method": "email", "email": email, "phone": ""});
    assert_eq!(vendor.post("/auth/reset", step).await, (StatusCode::OK, json!({"success": true})));
    assert_eq!(vendor.simulator.last_code().as_deref(), Some("iZvqjoUPKJvhf2XcU1ES"));
    let step = json!({"method": "email", "email": email, "verifyCode": "iZvqjoUPKJvhf2XcU1ES", "otp": "", "password": "123456789"});
    assert_eq!(vendor.post("/auth/verify", step).await, (StatusCode::OK, json!({"success": true})));
    assert_eq!(vendor.simulator.credentials().password, "123456789");
    vendor.login().await;
}

#[tokio::test]
async fn both_logout_paths_revoke_the_token() {
    for path in ["/auth/logout", "/auth/reset_pwd"] {
        let vendor = Vendor::start().await;
        assert_eq!(vendor.get(path).await, (StatusCode::OK, json!({"success": true})));
        let (status, body) = vendor.get("/queries/organization").await;
        assert_eq!((status, &body["error"]["code"]), (StatusCode::UNAUTHORIZED, &json!("X003")));
    }
}

#[tokio::test]
async fn organization_and_questions_match_the_examples() {
    let vendor = Vendor::start().await;
    let (_, body) = vendor.get("/queries/organization").await;
    let organization = json!({"id": 1, "name": "", "region": "", "organizationId": ""});
    let companies = json!([{"id": 1, "name": ""}]);
    has_shape(&body, &json!({"data": {"organization": organization, "companies": companies}, "success": true}), "");
    assert_eq!(body["data"]["organization"]["id"], 1003);
    let (_, body) = vendor.get("/survey/queries/questions/100301").await;
    let questions = json!([{"id": 1, "name": "", "answers": [{"id": 1, "title": "", "value": ""}]}]);
    has_shape(&body, &json!({"data": {"questions": questions}, "success": true}), "");
    let (status, body) = vendor.get("/survey/queries/questions/7").await;
    assert_eq!((status, &body["code"]), (StatusCode::BAD_REQUEST, &json!("X004")));
}

#[tokio::test]
async fn surveys_match_the_example() {
    let vendor = Vendor::start().await;
    let time = json!({"startTime": "2023-12-12T00:00:00", "endTime": "2023-12-13T00:00:00"});
    let filters = json!([{"dimension": "dateTime", "value": time}]);
    let ask = json!({"filters": filters, "companyId": 1, "extended": false, "offset": 0, "limit": 50});
    let (_, body) = vendor.post("/survey/queries/surveys", ask.clone()).await;
    let conversation = json!({"id": "", "queueName": "", "agentName": "", "url": "", "callerId": "", "mediaType": "", "createdAt": ""});
    let answers =
        json!([{"id": 1, "questionId": 1, "questionName": "", "answerTitle": "", "answerValue": 1, "createdAt": ""}]);
    let profile = json!({"id": 1, "region": "", "name": "", "organizationId": "", "companyId": "", "companyName": ""});
    let pagination = json!({"currentPage": 1, "totalPages": 1, "previousPage": null, "totalItems": 1});
    let surveys = json!([{"id": "", "conversation": conversation, "answers": answers}]);
    let data = json!({"profile": profile, "surveys": surveys, "pagination": pagination});
    has_shape(&body, &json!({"data": data, "success": true}), "");
    vendor.advance(86_400);
    assert_eq!(vendor.post("/survey/queries/surveys", ask).await.1, body, "a day that is over does not change");
    let (_, more) = vendor.post("/survey/queries/surveys", json!({"companyId": 1, "extended": true})).await;
    assert_eq!(more["data"]["surveys"].as_array().unwrap().len(), 10);
    assert_eq!(more["data"]["surveys"][0]["conversation"]["direction"], "inbound");
}

#[tokio::test]
async fn queue_routes_match_the_examples() {
    let vendor = Vendor::start().await;
    let ids = json!([SALES, SUPPORT]);
    let result = vendor.summary(ids.clone()).await;
    has_shape(&result, &json!([{"success": true, "id": "", "name": "", "memberCount": 1}]), "");
    assert_eq!(
        (&result[0]["id"], &result[0]["name"], &result[0]["memberCount"]),
        (&json!(SALES), &json!("Sales"), &json!(11))
    );
    let (_, body) = vendor.post("/analytics/runtime/queues/activity", json!({"queues": ids})).await;
    let result = json!([{"queueId": "", "data": [{"qualifier": "", "count": 1}]}]);
    has_shape(&body, &json!({"data": {"success": true, "result": result}, "success": true}), "");
    let interval = "2024-01-28T09:00:00.000Z/2024-01-28T10:00:00.000Z";
    let ask = json!({"queues": ids, "interval": interval, "partial": false});
    let (_, body) = vendor.post("/analytics/queues/performance", ask.clone()).await;
    let metrics = json!({"ASA": 1, "Answer": 1, "MetSLA": 1, "OverSLA": 1});
    let result = json!([{"queryId": "", "data": [{"interval": "", "metrics": metrics}]}]);
    has_shape(&body, &json!({"data": {"success": true, "result": result}, "success": true}), "");
    vendor.advance(3600);
    assert_eq!(vendor.post("/analytics/queues/performance", ask).await.1, body);
}

#[tokio::test]
async fn unknown_and_malformed_ids_differ() {
    let vendor = Vendor::start().await;
    let unknown = "00000000-0000-0000-0000-000000000000";
    let rows = vendor.summary(json!([unknown, SALES.to_ascii_uppercase()])).await;
    assert_eq!(rows[0], json!({"success": false, "id": unknown}));
    assert_eq!(rows[1]["id"], SALES);
    let (_, body) = vendor.post("/analytics/runtime/queues/activity", json!({"queues": [unknown, SALES]})).await;
    assert_eq!(body["data"]["result"].as_array().unwrap().len(), 1);
    let (status, body) = vendor.post("/analytics/runtime/queues/summary", json!({"queues": [SALES, "bad id"]})).await;
    assert_eq!((status, &body["errorCode"]), (StatusCode::BAD_REQUEST, &json!("X004")));
    assert!(body["errorMessage"].as_str().unwrap().contains("bad id"));
}

#[tokio::test]
async fn invalid_requests_get_the_codes_of_the_reference() {
    let vendor = Vendor::start().await;
    for (path, body, code) in [
        ("/survey/queries/surveys", json!({}), "X0000"),
        ("/survey/queries/surveys", json!({"companyId": 1, "limit": 101}), "X004"),
        ("/survey/queries/surveys", json!({"companyId": 1, "offset": -1}), "X004"),
        ("/survey/queries/surveys", json!({"companyId": "1"}), "X004"),
        ("/survey/queries/surveys", json!({"companyId": 1, "filters": [{"dimension": "mood", "value": ""}]}), "X004"),
        ("/analytics/runtime/queues/activity", json!({}), "X0000"),
        ("/analytics/runtime/queues/summary", json!({"queues": SALES}), "X004"),
        ("/analytics/runtime/queues/summary", json!({"queues": [SALES], "extended": "yes"}), "X004"),
        ("/analytics/queues/performance", json!({"queues": [SALES]}), "X0000"),
        ("/analytics/queues/performance", json!({"queues": [SALES], "interval": "today"}), "X004"),
        ("/auth/login", json!({"email": "a"}), "X0000"),
        ("/auth/login", json!({"email": "a", "password": "b"}), "X001"),
        ("/auth/reset", json!({"method": "pigeon", "email": "a"}), "X004"),
    ] {
        let (status, answer) = vendor.post(path, body).await;
        assert!(status.is_client_error());
        assert_eq!(answer["success"], false);
        assert!(answer.to_string().contains(&format!("\"{code}")), "{path}: {answer}");
    }
    assert_eq!(vendor.simulator.stats().logins_refused, 1);
    let (status, _) = vendor.call("POST", "/analytics/runtime/queues/summary", "{".to_owned()).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(vendor.get("/auth/login").await.0, StatusCode::METHOD_NOT_ALLOWED);
    let (status, page) = vendor.get("/nowhere").await;
    assert!(status == StatusCode::NOT_FOUND && page.as_str().unwrap().starts_with("<html>"));
}

#[tokio::test]
async fn tokens_are_bare_and_expire() {
    let life = Options { token_ttl: Some(Duration::from_secs(60)), ..Options::default() };
    let mut vendor = Vendor::new(life).await;
    let bearer = format!("Bearer {}", vendor.token);
    let (status, text) =
        vendor.text("GET", "/queries/organization", &[("authorization", &bearer)], String::new()).await;
    assert!(status == StatusCode::UNAUTHORIZED && text.contains("X003"));
    vendor.simulator.set_auth_scheme(Some("Bearer"));
    let (status, _) = vendor.text("GET", "/queries/organization", &[("authorization", &bearer)], String::new()).await;
    assert_eq!(status, StatusCode::OK);
    vendor.simulator.set_auth_scheme(None);
    vendor.advance(59);
    assert_eq!(vendor.get("/queries/organization").await.0, StatusCode::OK);
    vendor.advance(1);
    assert_eq!(vendor.get("/queries/organization").await.0, StatusCode::UNAUTHORIZED);
    vendor.token = vendor.login().await;
    assert_eq!(vendor.get("/queries/organization").await.0, StatusCode::OK);
    vendor.simulator.expire_tokens();
    assert_eq!(vendor.get("/queries/organization").await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn seed_and_time_determine_the_answer() {
    let (one, two) = (Vendor::start().await, Vendor::start().await);
    let ids = json!(one.simulator.queue_ids());
    let other = Vendor::new(Options { seed: 2, ..Options::default() }).await;
    assert_eq!(one.token, two.token);
    assert_ne!(one.token, other.token);
    let first = one.summary(ids.clone()).await;
    assert_eq!(first, two.summary(ids.clone()).await);
    assert_ne!(first, other.summary(ids.clone()).await);
    one.advance(1);
    assert_ne!(first, one.summary(ids).await);
}

#[tokio::test]
async fn row_faults_change_the_rows() {
    let vendor = Vendor::start().await;
    for (fault, expected) in [
        (Fault::MissingIds, vec![SUPPORT]),
        (Fault::DoubledIds, vec![SALES, SALES, SUPPORT, SUPPORT]),
        (Fault::ReorderedIds, vec![SUPPORT, SALES]),
    ] {
        vendor.simulator.enqueue_fault("summary", fault);
        let rows = vendor.summary(json!([SALES, SUPPORT])).await;
        let ids: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
        assert_eq!(ids, expected, "{fault}");
    }
    vendor.simulator.enqueue_fault("summary", Fault::UpperIds);
    assert_eq!(vendor.summary(json!([SALES])).await[0]["id"], SALES.to_ascii_uppercase());
    vendor.simulator.enqueue_fault("summary", Fault::ExtraIds);
    let rows = vendor.summary(json!([SALES])).await;
    assert_eq!((rows.as_array().unwrap().len(), &rows[0]["id"]), (2, &json!(SUPPORT)));
    assert_eq!(vendor.simulator.stats().faults.values().sum::<u64>(), 5);
}
