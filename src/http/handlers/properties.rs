//! What holds of every request, whatever its bytes: an oracle for the fuzzer and for the seeds in `fuzz/corpus`, which
//! reads requests, refusals and what is sent to the vendor in its own way.

use std::{borrow::Cow, collections::BTreeSet, fmt, sync::LazyLock, time::Duration};

use axum::{
    body::Bytes,
    http::{Method, Uri},
    response::Response,
};
use futures_util::FutureExt;
use http_body_util::BodyExt;
use jiff::Timestamp;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

use super::{
    auth::{self, AccountCall},
    cached::{parameters, parse_get_query, parse_post_query},
    custom::{self, custom_routes},
    questions, queues, surveys,
};
use crate::{
    config::RouteConfig,
    http::{
        error_code::ErrorCode,
        extract::{Fields, parse_json},
        problem::{MAX_FIELD_ERRORS, Problem},
        route_table::{Endpoint, RouteTable},
        settings::Settings,
    },
    model::{Further, Query, Route, Subject},
};

const BASE: &str = "/api/v1";
const MOST_QUEUES: usize = 5;
const OWN_EMAIL: &str = "gateway@wesal.example";

/// What a request is understood as.
enum Read {
    Query(Query),
    Account(AccountCall),
    Login { email: String, password: String },
    Logout,
}

/// What becomes of a request, in a word; `None` if it is none that HTTP can carry.
pub(crate) fn caller_request(method: &str, target: &str, body: &[u8]) -> Option<&'static str> {
    let method = Method::from_bytes(method.as_bytes()).ok()?;
    let uri: Uri = target.parse().ok()?;
    let route = match settings().table.find(&method, uri.path()) {
        Some(endpoint @ Endpoint::Mirrored(route)) if endpoint.takes(&method) => route,
        _ => return Some("elsewhere"),
    };
    match read(route, &uri, body) {
        Ok(read) => {
            means_what_was_asked(route, &uri, body, read);
            Some("taken")
        }
        // A further route's path that leads elsewhere.
        Err(problem) if problem.code == ErrorCode::NotFound => Some("elsewhere"),
        Err(problem) => {
            says_why(&problem, body);
            Some("refused")
        }
    }
}

/// Some that are in each other's way, and in that of the reference's.
static FURTHER: LazyLock<Vec<&'static Further>> = LazyLock::new(|| {
    let route = |(path, method)| serde_json::json!({"path": path, "methods": [method], "scope": "x", "ttl": "0s", "query": ["page"]});
    let routes = [
        ("/further/companies/{companyId}/agents", "GET"),
        ("/further/secret", "GET"),
        ("/further/{what}", "GET"),
        ("/further/{what}", "POST"),
        ("/further/{a}/{b}/{c}", "GET"),
        ("/queries/{what}", "GET"),
        ("/survey/queries/{what}", "POST"),
    ];
    let routes: Vec<RouteConfig> =
        routes.into_iter().filter_map(|one| serde_json::from_value(route(one)).ok()).collect();
    custom_routes(&routes)
});

fn settings() -> Settings {
    Settings {
        table: RouteTable::new(BASE.to_owned(), FURTHER.clone()),
        max_body: usize::MAX,
        body_timeout: Duration::MAX,
        forward_query: vec!["lang".to_owned(), "größe".to_owned()],
        forward_fields: vec!["zone".to_owned(), "a/b~c".to_owned()],
    }
}

fn read(route: Route, uri: &Uri, body: &[u8]) -> Result<Read, Problem> {
    let settings = &settings();
    let posted = |subject: &dyn Fn(&mut Fields) -> Option<Subject>| {
        parse_post_query(settings, parameters(settings, route, uri)?, body, subject).map(Read::Query)
    };
    let account = |form| {
        parameters(settings, route, uri)?;
        let fields = Fields::of(parse_json(body)?)?;
        auth::account_call(form, fields, &settings.forward_fields, |email| email == OWN_EMAIL).map(Read::Account)
    };
    match route {
        Route::Login => {
            parameters(settings, route, uri)?;
            let (email, password) = auth::shown_at_login(Fields::of(parse_json(body)?)?)?;
            Ok(Read::Login { email, password })
        }
        Route::Logout => parameters(settings, route, uri).map(|_| Read::Logout),
        Route::Reset => account(&auth::RESET),
        Route::Verify => account(&auth::VERIFY),
        Route::Organization => parse_get_query(settings, route, uri, || Ok(Subject::Organization)).map(Read::Query),
        Route::Questions => {
            let subject = || questions::company(uri.path()).map(Subject::Questions);
            parse_get_query(settings, route, uri, subject).map(Read::Query)
        }
        Route::Further(further) if further.is_gotten => {
            let path = custom::filled(&settings.table, further, settings.table.below_base(uri.path()))?;
            parse_get_query(settings, route, uri, || Ok(custom::document(further, path))).map(Read::Query)
        }
        Route::Further(further) => {
            let path = custom::filled(&settings.table, further, settings.table.below_base(uri.path()))?;
            posted(&|fields| Some(custom::posted_document(further, path.clone(), fields)))
        }
        Route::Surveys => posted(&|fields| surveys::subject(fields)),
        Route::QueueSummary | Route::QueueActivity | Route::QueuePerformance => {
            posted(&|fields| queues::subject(route, MOST_QUEUES, fields))
        }
    }
}

/// What goes to the vendor is what the caller asked, within the reference, and read again is the same.
fn means_what_was_asked(route: Route, uri: &Uri, body: &[u8], understood: Read) {
    match understood {
        Read::Logout => {}
        Read::Login { email, password } => {
            assert_eq!(told(body), serde_json::json!({"email": email, "password": password}));
        }
        Read::Account(AccountCall { body: sent, own_password }) => {
            same_json(body, &sent);
            let asked = told(body);
            let own = asked.get("email").is_some_and(|email| email == OWN_EMAIL);
            let password = asked.get("password").and_then(Value::as_str).filter(|_| own);
            assert_eq!(own_password.as_ref().map(|password| password.expose()), password);
            let again = read(route, uri, sent.as_bytes());
            assert!(matches!(again, Ok(Read::Account(again)) if again.body == sent), "{sent} is read otherwise");
        }
        Read::Query(query) => {
            let shape = query.shape();
            assert_eq!((query.route(), shape.route()), (route, route));
            let target: Option<Uri> = format!("{BASE}{}", shape.target()).parse().ok();
            assert!(target.is_some(), "{} is no target", shape.target());
            let body_of = |queues| shape.body(queues).map(|body| String::from_utf8_lossy(&body).into_owned());
            let sent = body_of(query.queues());
            assert_eq!(sent.is_none(), route.is_gotten());
            if let Some(sent) = &sent {
                same_json(body, sent);
                if !matches!(route, Route::Further(_)) {
                    is_within_the_reference(route, &told(sent.as_bytes()));
                }
                for queue in query.queues() {
                    let alone = body_of(std::slice::from_ref(queue)).unwrap_or_default();
                    assert_eq!(told(alone.as_bytes()).get("queues"), Some(&serde_json::json!([queue.as_str()])));
                }
            }
            let target = target.unwrap_or_default();
            if let Route::Further(_) = route {
                leads_nowhere_else(route, target.path(), query.company().is_some());
            }
            let again = read(route, &target, sent.unwrap_or_default().as_bytes());
            let Ok(Read::Query(again)) = again else {
                let refusal = again.err().map(|problem| document(&problem)).unwrap_or_default();
                assert_eq!(refusal, Value::Null, "what is forwarded is refused");
                return;
            };
            assert!(again == query && again.shape() == shape, "what is forwarded is another query");
        }
    }
}

/// Whatever the vendor takes for the same: what goes to it is no path of another route's.
fn leads_nowhere_else(route: Route, path: &str, names_company: bool) {
    let path = path.to_ascii_lowercase();
    let method = if route.is_gotten() { Method::GET } else { Method::POST };
    assert_eq!(settings().table.find(&method, &path), Some(Endpoint::Mirrored(route)), "{path}");
    assert!(path.strip_prefix(BASE).is_some_and(|path| !path.starts_with("/auth")), "{path}");
    assert!(!path.contains("..") || !path.split('/').any(|segment| matches!(segment, "." | "..")), "{path}");
    assert_eq!(names_company, path.starts_with("/api/v1/further/companies/") && path.ends_with("/agents"), "{path}");
}

/// A document as a reader sees it who keeps the last of two doubled members.
fn told(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap_or_default()
}

/// What is sent is the same value as what was asked, to the letter of each number; but an interval has one spelling.
fn same_json(asked: &[u8], sent: &str) {
    assert!(serde_json::from_str::<NothingTwice>(sent).is_ok(), "{sent} has doubled members or is no JSON");
    assert_eq!(numbers(asked), numbers(sent.as_bytes()));
    let (mut asked, mut sent) = (told(asked), told(sent.as_bytes()));
    let interval = |json: &mut Value| json.as_object_mut().and_then(|members| members.remove("interval"));
    match (interval(&mut asked), interval(&mut sent)) {
        (Some(asked), Some(sent)) => same_interval(&asked, &sent),
        (asked, sent) => assert_eq!(asked, sent),
    }
    assert_eq!(asked, sent);
}

fn same_interval(asked: &Value, sent: &Value) {
    // What lies before the first instant that can be written is that one, and after the last the last.
    let first: Timestamp = "0000-01-01T00:00:00Z".parse().unwrap_or(Timestamp::MIN);
    let instants = |interval: &Value| -> Vec<Timestamp> {
        let instant = |text: &str| text.parse().unwrap_or(Timestamp::MAX).max(first);
        interval.as_str().unwrap_or_default().split('/').map(instant).collect()
    };
    // As the reference writes it: 2024-01-28T09:00:00.000Z/2024-01-28T10:00:00.000Z
    let outline = |c: char| if c.is_ascii_digit() { '0' } else { c };
    let outline: String = sent.as_str().unwrap_or_default().chars().map(outline).collect();
    assert_eq!(outline, "0000-00-00T00:00:00.000Z/0000-00-00T00:00:00.000Z");
    let (asked, sent) = (instants(asked), instants(sent));
    assert_eq!((asked.len(), sent.len()), (2, 2));
    assert!(sent.is_sorted() && sent.first() != sent.last(), "an interval without a length");
    for (asked, sent) in asked.iter().zip(&sent) {
        assert!(asked.duration_since(*sent).abs() < jiff::SignedDuration::from_millis(1), "{asked} became {sent}");
    }
}

fn is_within_the_reference(route: Route, sent: &Value) {
    let known: &[&str] = match route {
        Route::Surveys => &["filters", "companyId", "extended", "offset", "limit", "zone", "a/b~c"],
        Route::QueuePerformance => &["queues", "interval", "partial", "extended", "zone", "a/b~c"],
        _ => &["queues", "extended", "zone", "a/b~c"],
    };
    let names: Vec<&String> = sent.as_object().into_iter().flat_map(|members| members.keys()).collect();
    assert!(names.iter().all(|name| known.contains(&name.as_str())), "{names:?}");
    let number = |name: &str| sent.get(name).map(|value| value.as_u64().unwrap_or(u64::MAX));
    assert!(number("limit").is_none_or(|limit| (1..=100).contains(&limit)));
    assert!(["extended", "partial"].iter().all(|name| sent.get(name).is_none_or(Value::is_boolean)));
    if route == Route::Surveys {
        assert!(number("companyId").is_some_and(|company| (1..1 << 53).contains(&company)));
        return;
    }
    let queues = sent.get("queues").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    assert!((1..=MOST_QUEUES).contains(&queues.len()));
    for queue in queues {
        let id = queue.as_str().unwrap_or_default();
        assert!((1..=128).contains(&id.chars().count()) && !id.chars().any(char::is_control), "{id:?}");
    }
}

/// A refusal says what is wrong, and each pointer leads to something that is there or to something that is missing in
/// something that is there.
fn says_why(problem: &Problem, body: &[u8]) {
    let document = document(problem);
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    assert_eq!(document.get("status"), Some(&Value::from(400)), "{document}");
    assert!(["invalid_request", "missing_parameter"].contains(&text(&document, "code").as_str()), "{document}");
    assert!(!text(&document, "detail").is_empty(), "{document}");
    let faults = document.get("errors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    assert!((1..=MAX_FIELD_ERRORS).contains(&faults.len()), "{document}");
    let without_doubles = serde_json::from_slice::<NothingTwice>(body).is_ok().then(|| told(body));
    for fault in faults {
        assert!(!text(fault, "detail").is_empty(), "{document}");
        let Some(pointer) = fault.get("pointer").and_then(Value::as_str) else {
            assert!(fault.get("parameter").is_some_and(Value::is_string), "{document}");
            continue;
        };
        let parent = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
        if let Some(body) = &without_doubles {
            assert!(body.pointer(parent).is_some(), "{document} leads nowhere");
        }
    }
}

/// The problem as its caller gets it.
fn document(problem: &Problem) -> Value {
    let mut response = Response::default();
    problem.write("id", &mut response);
    let body = response.into_body().collect().now_or_never();
    told(&body.and_then(Result::ok).map_or(Bytes::new(), http_body_util::Collected::to_bytes))
}

/// The numbers in a JSON text, to the letter, in no order.
fn numbers(json: &[u8]) -> Vec<Vec<u8>> {
    let (mut in_string, mut escaped) = (false, false);
    let mut found = vec![Vec::new()];
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            // The `e` of `true` and `false` stands alone.
            b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E' if !in_string => {
                found.last_mut().into_iter().for_each(|number| number.push(*byte));
                continue;
            }
            _ => {}
        }
        found.push(Vec::new());
    }
    found.retain(|number| !number.is_empty() && number != b"e");
    found.sort();
    found
}

/// A JSON document in which no object has two members of one name.
struct NothingTwice;

impl<'de> Deserialize<'de> for NothingTwice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for NothingTwice {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without doubled members")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut names = BTreeSet::new();
        while let Some((name, Self)) = map.next_entry::<Cow<'de, str>, Self>()? {
            if !names.insert(name) {
                return Err(serde::de::Error::custom("a doubled member"));
            }
        }
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while let Some(Self) = seq.next_element()? {}
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }
}
