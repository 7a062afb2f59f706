//! Secrets and personal data stay where they belong: a story over every route, with all that the process logs and
//! answers read for what must not be there. In a binary of its own, as the subscriber is the process's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, unreachable_pub)]
// The harness serves the other tests too.
#![allow(dead_code)]

#[path = "it/harness/mod.rs"]
mod harness;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use harness::{Answer, SALES, Setup, World, secs};
use tracing_subscriber::fmt::MakeWriter;
use wesal_gateway::{
    config::Secret,
    model::{CompanyId, Forwarded, Json, Query, Scope, Subject, SurveysQuery},
};
use wesal_simulator::Fault;

const PASSWORD: &str = "canary-password-4711";
const CLIENT_ID: &str = "canary-client-id-4711=";
const EMAIL: &str = "canary-email-4711@wesal.example";
const LOGIN_FIELD: &str = "canary-login-field-4711";
const PHONE: &str = "+966554711471";
const AGENT: &str = "Canary Agent Fawzi";
const FILTER: &str = "canary-filter-value-4711";
const ADMIN_TOKEN: &str = "canary-admin-token-4711";
const NEW_PASSWORD: &str = "canary-new-password-4711";
const VERIFY_CODE: &str = "canary-verify-code-4711";
const QUERY: &str = "canary-query-4711";
const WRONG_KEY: &str = "canary-wrong-key-4711";
/// What somebody wrote where a queue's id belongs: of that form, and no queue of Wesal's.
const NO_QUEUE: &str = "47114711-cana-rya4-7114-711canary471";

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// What the gateway said, each answer with a name for it.
struct Story {
    world: World,
    told: Vec<(String, Answer)>,
}

impl Story {
    async fn get(&mut self, path: &str) -> &Answer {
        let answer = self.world.passing(self.world.get(path)).await;
        self.tell(format!("GET {path}"), answer)
    }

    async fn post(&mut self, path: &str, body: &str) -> &Answer {
        let answer = self.world.passing(self.world.post(path, body)).await;
        self.tell(format!("POST {path}"), answer)
    }

    fn tell(&mut self, what: String, answer: Answer) -> &Answer {
        self.told.push((what, answer));
        &self.told.last().unwrap().1
    }

    /// Every route once, as it should be asked.
    async fn every_route(&mut self) {
        let queues = format!(r#"{{"queues": ["{SALES}"]}}"#);
        let interval = format!(r#"{{"queues": ["{SALES}"], "interval": "2026-11-22T09:00:00Z/2026-11-22T10:00:00Z"}}"#);
        let surveys = format!(
            r#"{{"companyId": 100301, "filters": [{{"dimension": "agentName", "value": "{FILTER}"}}, {{"dimension": "queueName", "value": "{PHONE}"}}]}}"#
        );
        for path in ["/queries/organization", "/survey/queries/questions/100301", "/auth/logout"] {
            self.get(path).await;
        }
        self.post("/survey/queries/surveys", &surveys).await;
        self.post("/analytics/runtime/queues/summary", &queues).await;
        self.post("/analytics/runtime/queues/activity", &queues).await;
        self.post("/analytics/queues/performance", &interval).await;
        for email in [EMAIL, "canary-other-4711@wesal.example"] {
            let reset = format!(r#"{{"method": "phone", "email": "{email}", "phone": "{PHONE}"}}"#);
            self.post("/auth/reset", &reset).await;
            let verify = format!(
                r#"{{"method": "email", "email": "{email}", "verifyCode": "{VERIFY_CODE}", "password": "{NEW_PASSWORD}"}}"#
            );
            self.post("/auth/verify", &verify).await;
        }
    }

    /// Requests that are wrong in many ways, each with something in it that is nobody's business.
    async fn wrong_requests(&mut self) {
        self.get(&format!("/queries/organization?token={QUERY}")).await;
        self.get(&format!("/survey/queries/questions/{QUERY}")).await;
        self.get(&format!("/{QUERY}")).await;
        for body in [
            format!(r#"{{"companyId": "{FILTER}"}}"#),
            format!(r#"{{"companyId": 100301, "filters": "{FILTER}"}}"#),
            format!(r#"{{"companyId": 100301 "{FILTER}""#),
            format!(r#"{{"companyId": 100301, "filters": [{{"dimension": "{FILTER}", "value": "{PHONE}"}}]}}"#),
        ] {
            self.post("/survey/queries/surveys", &body).await;
        }
        self.post("/auth/login", &format!(r#"{{"email": "{EMAIL}", "password": "{PASSWORD}"}}"#)).await;
        self.post("/auth/login", &format!(r#"{{"email": "app", "password": "{WRONG_KEY}"}}"#)).await;
        for (name, value) in
            [("authorization", WRONG_KEY), ("x-api-key", WRONG_KEY), ("authorization", "Bearer eyJ.x.y")]
        {
            let request = self.world.request("GET", "/queries/organization").header(name, value);
            let answer = self.world.send(request).await;
            self.tell(format!("{name}: {value}"), answer);
        }
    }

    /// Every fault on every kind of route, the login among them.
    async fn failures(&mut self) {
        for fault in Fault::ALL.iter().filter(|fault| !matches!(fault, Fault::Hang | Fault::Slow)) {
            self.world.vendor.enqueue_fault("login", *fault);
            for route in ["organization", "surveys", "summary", "reset", "verify"] {
                (0..3).for_each(|_| self.world.vendor.enqueue_fault(route, *fault));
            }
            self.world.vendor.expire_tokens();
            self.world.advance(secs(2 * 24 * 3600));
            for _ in 0..3 {
                self.every_route().await;
                self.world.advance(secs(30));
            }
            while self.get("/survey/queries/questions/100303").await.status != 200 {
                self.world.advance(secs(30));
            }
        }
    }
}

/// All that the admin listener says, each with a name for it.
async fn operators_see(world: &World) -> Vec<(String, String)> {
    let surveys = format!(
        r#"{{"path": "/survey/queries/surveys", "body": {{"companyId": 100301, "filters": [{{"dimension": "agentName", "value": "{FILTER}"}}, {{"dimension": "queueName", "value": "{PHONE}"}}]}}}}"#
    );
    let queues = format!(r#"{{"path": "/analytics/runtime/queues/summary", "body": {{"queues": ["{SALES}"]}}}}"#);
    let mut seen = Vec::new();
    // Refused too: a configuration with a fault in the place of a secret.
    let mut broken = world.config.clone();
    broken.upstream.password = Secret::default();
    assert!(world.reloader.reload(&broken).is_err());
    for (method, path, body) in [
        ("GET", "/admin/status", ""),
        ("GET", "/admin/callers", ""),
        ("GET", "/metrics", ""),
        ("GET", "/readyz", ""),
        ("POST", "/admin/cache/explain", &surveys),
        ("POST", "/admin/cache/explain", &queues),
        ("POST", "/admin/cache/explain", &format!(r#"{{"path": "{QUERY}"}}"#)),
        ("POST", "/admin/cache/purge", &format!(r#"{{"queue": "{QUERY}"}}"#)),
        ("POST", "/admin/cache/purge", &format!(r#"{{"{QUERY}": 1}}"#)),
        ("POST", "/admin/reload", ""),
        ("GET", "/admin/log-filter", ""),
        ("GET", "/admin/status", ""),
    ] {
        let request = world.request_admin(method, path).header("authorization", format!("Bearer {ADMIN_TOKEN}"));
        let answer = world.send(request.header("content-type", "application/json").body(body.to_owned())).await;
        seen.push((format!("{method} {path}"), format!("{}{}", answer.head(), answer.text())));
    }
    seen
}

#[tokio::test]
async fn no_secret_and_nothing_personal_is_logged_or_told_to_the_wrong() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
    tracing::subscriber::set_global_default(subscriber.with_writer(log.clone()).finish()).unwrap();

    let mut setup = Setup::default();
    setup.vendor.credentials.client_id = CLIENT_ID.to_owned();
    setup.vendor.credentials.email = EMAIL.to_owned();
    setup.vendor.credentials.password = PASSWORD.to_owned();
    setup.config.upstream.login.fields.insert("company".to_owned(), LOGIN_FIELD.into());
    setup.config.admin.token = Secret::new(ADMIN_TOKEN);
    setup.config.limits.auth_failures = harness::rate(1_000_000, 1, 1_000_000);
    #[cfg(feature = "otlp")]
    let collector = harness::Collector::new().await;
    #[cfg(feature = "otlp")]
    setup.config.telemetry.otlp_endpoint.clone_from(&collector.endpoint());
    let other_key = setup.caller("other", |caller| caller.scopes(&[Scope::Queues]));
    let world = setup.start().await;
    world.logged_in().await;
    let rows = format!(
        r#"{{"data": {{"profile": {{}}, "surveys": [{{"agentName": "{AGENT}", "phone": "{PHONE}"}}]}}, "success": true}}"#
    );
    world.vendor.set_answer("surveys", rows.clone());
    let key = world.key().to_owned();

    let hashes: Vec<String> = world
        .config
        .callers
        .iter()
        .flat_map(|caller| &caller.key_hashes)
        .map(|hash| serde_json::to_value(hash).unwrap().as_str().unwrap().trim_start_matches("sha256:").to_owned())
        .collect();
    let mut story = Story { world, told: Vec::new() };
    story.every_route().await;
    let token = story.world.vendor.last_request("organization").unwrap().header("authorization").unwrap().to_owned();
    assert!(token.starts_with("eyJ"));
    story.wrong_requests().await;
    let forbidden = story.world.get_as(&other_key, "/queries/organization").await;
    story.tell("GET what is not allowed".to_owned(), forbidden);
    // A session, good and ended: its token too is nobody's business.
    let login = format!(r#"{{"email": "other", "password": "{other_key}"}}"#);
    let session = story.post("/auth/login", &login).await.json()["data"]["access_token"].as_str().unwrap().to_owned();
    for path in ["/auth/logout", "/auth/logout"] {
        let answer = story.world.get_as(&session, path).await;
        story.tell(format!("GET {path} with a session"), answer);
    }
    story.failures().await;
    // The vendor says too much when it refuses.
    story.world.advance(secs(24 * 3600));
    let told = format!("no such thing for {EMAIL} with {PASSWORD} {CLIENT_ID} {token} {PHONE} {key}");
    story.world.vendor.set_answer("questions", format!(r#"{{"success": false, "code": "X004", "message": "{told}"}}"#));
    let refused = story.get("/survey/queries/questions/100302").await;
    assert_eq!(refused.problem(), "upstream_rejected");
    // What is asked for steadily is shown; and somebody asks so for a key, and for no queue.
    for _ in 0..3 {
        for id in [&key, NO_QUEUE, SALES] {
            for route in ["summary", "activity"] {
                story.post(&format!("/analytics/runtime/queues/{route}"), &format!(r#"{{"queues": ["{id}"]}}"#)).await;
            }
        }
        story.world.advance(secs(1));
    }
    let shown = operators_see(&story.world).await;
    let hot =
        |(what, said): &(String, String)| what.ends_with("/status") && said.contains(&format!(r#""queue":"{SALES}""#));
    assert!(shown.iter().any(hot), "no queue is hot: {shown:?}");
    let ended = story.world.tell_to_stop();
    ended.await.unwrap();

    #[cfg(feature = "otlp")]
    let exported = exported(&collector);
    #[cfg(not(feature = "otlp"))]
    let exported = String::new();

    let given = story.world.vendor.stats().faults;
    assert_eq!(given.len(), Fault::ALL.len() - 2, "some fault never came: {given:?}");

    let log = log.text();
    for event in ["logged in at the vendor", "the login at the vendor failed", "a vendor call failed", "drained"] {
        assert!(log.contains(event), "the log is not what it seems: {event}");
    }
    assert!(log.contains("the vendor refuses the service login") && log.contains("a credential was refused"));
    assert!(log.contains("TRACE"), "only a part of the log was read");
    let credentials = [PASSWORD, CLIENT_ID, EMAIL, LOGIN_FIELD, ADMIN_TOKEN, NEW_PASSWORD, VERIFY_CODE, &token];
    let keys = [key.as_str(), &other_key, WRONG_KEY];
    let personal = [PHONE, AGENT, FILTER, QUERY, NO_QUEUE, "canary-other-4711"];
    for canary in
        credentials.iter().chain(&keys).chain(&personal).chain(&hashes.iter().map(String::as_str).collect::<Vec<_>>())
    {
        for (what, said) in &shown {
            assert!(!said.contains(canary), "{canary} is shown to operators by {what}: {said}");
        }
        assert_eq!(log.lines().find(|line| line.contains(canary)), None, "{canary} is logged");
        assert!(!exported.contains(canary), "{canary} is in a span");
    }
    assert!(!exported.contains("eyJ"), "some token is in a span");
    assert!(shown.iter().all(|(_, said)| !said.contains("eyJ") && !said.contains("sha256:")));
    for canary in credentials.iter().chain(&keys).chain(&personal) {
        let line = log.lines().find(|line| line.contains(canary));
        assert_eq!(line, None, "{canary} is logged");
    }
    assert!(!log.contains("eyJ"), "some token is logged");

    let statuses: BTreeSet<u16> = story.told.iter().map(|(_, answer)| answer.status).collect();
    for status in [200, 400, 401, 403, 404, 502, 503] {
        assert!(statuses.contains(&status), "no answer of the story was a {status}");
    }
    let requests: Vec<_> = log.lines().filter(|line| line.contains("wesal_gateway::access")).collect();
    for (what, answer) in &story.told {
        let id = answer.header("x-request-id");
        let lines: Vec<_> = requests.iter().filter(|line| line.contains(id)).collect();
        assert_eq!(lines.len(), 1, "{what} has one line in the log: {lines:?}");
        for field in [&format!("status={}", answer.status), "route=", "caller=", "cache=", "parts_hit=", "total_ms="] {
            assert!(lines[0].contains(field), "{what}: no {field} in {}", lines[0]);
        }
        let said = format!("{}{}", answer.head(), answer.text());
        for canary in credentials.iter().chain(&keys) {
            assert!(!said.contains(canary), "{canary} is told in the answer to {what}: {said}");
        }
        let rows_belong_here = what == "POST /survey/queries/surveys" && answer.status == 200;
        if rows_belong_here {
            assert_eq!(answer.text(), rows);
            continue;
        }
        for canary in [PHONE, AGENT, FILTER] {
            assert!(!said.contains(canary), "{canary} is told in the answer to {what}: {said}");
        }
    }
}

/// All that went to the collector of traces, headers too, as far as it is text.
#[cfg(feature = "otlp")]
fn exported(collector: &harness::Collector) -> String {
    let exports = collector.exports();
    let names: BTreeSet<String> = collector.spans().into_iter().map(|span| span.name).collect();
    for name in ["POST /survey/queries/surveys", "POST /auth/verify", "fetch /survey/queries/surveys", "GET"] {
        assert!(names.contains(name), "the spans are not what they seem: {name} is not among {names:?}");
    }
    let text = |export: &harness::Export| format!("{:?} {}", export.headers, String::from_utf8_lossy(&export.body));
    exports.iter().map(text).collect()
}

#[test]
fn what_can_be_printed_of_the_settings_shows_no_secret() {
    let mut setup = Setup::default();
    let key = setup.caller("second", |_| {});
    let config = &mut setup.config;
    for (secret, text) in [
        (&mut config.upstream.client_id, CLIENT_ID),
        (&mut config.upstream.email, EMAIL),
        (&mut config.upstream.password, PASSWORD),
        (&mut config.admin.token, ADMIN_TOKEN),
    ] {
        *secret = Secret::new(text);
    }
    config.upstream.login.fields.insert("company".to_owned(), LOGIN_FIELD.into());
    let printed =
        [serde_json::to_string(&config).unwrap(), config.effective(), format!("{config:?} {:?}", config.callers)];
    for text in &printed {
        for canary in [CLIENT_ID, EMAIL, PASSWORD, ADMIN_TOKEN, LOGIN_FIELD, &key] {
            assert!(!text.contains(canary), "{canary} stands in {text}");
        }
    }
    assert!(printed.iter().all(|text| text.contains("(set)")));
}

#[test]
fn what_can_be_printed_of_a_question_shows_nothing_of_what_was_asked() {
    let filters = format!(r#"[{{"dimension": "phone", "value": "{PHONE}"}}]"#);
    let filters = Json::parse(filters.as_bytes()).unwrap();
    let fields: BTreeMap<_, _> = [("more".to_owned(), Json::String(FILTER.to_owned()))].into();
    let query = [("search".to_owned(), QUERY.to_owned())].into();
    let Json::Array(list) = filters.clone() else { panic!("not a list") };
    let company = CompanyId::try_from(100_301).unwrap();
    let surveys = SurveysQuery { company, filters: Some(list), extended: None, offset: None, limit: None };
    let query = Query { subject: Subject::Surveys(surveys), forwarded: Forwarded { query, fields } };
    let printed = format!("{filters:?} {query:?} {:?} {:?}", query.forwarded, query.shape());
    for canary in [PHONE, FILTER, QUERY] {
        assert!(!printed.contains(canary), "{canary} stands in {printed}");
    }
}
