//! Bad input is refused before anything is spent: with the right code, with a pointer to each fault, and without a
//! call to the vendor.

use wesal_gateway::config::Size;

use crate::harness::{AUTH, Answer, DATA, SALES, SUPPORT, Setup, World};

const SURVEYS: &str = "/survey/queries/surveys";
const SUMMARY: &str = "/analytics/runtime/queues/summary";
const ACTIVITY: &str = "/analytics/runtime/queues/activity";
const PERFORMANCE: &str = "/analytics/queues/performance";
const RESET: &str = "/auth/reset";
const VERIFY: &str = "/auth/verify";
const LOGIN: &str = "/auth/login";
const POSTED: [&str; 7] = [SURVEYS, SUMMARY, ACTIVITY, PERFORMANCE, RESET, VERIFY, LOGIN];

const INTERVAL: &str = r#""interval":"2024-01-28T09:00:00.000Z/2024-01-28T10:00:00.000Z""#;

/// The refusal is one of these; the vendor has heard nothing.
fn refused(world: &World, answer: &Answer, code: &str, what: &str) {
    let (status, wesal) = match code {
        "missing_parameter" => (400, "X0000".into()),
        "invalid_request" => (400, "X004".into()),
        "payload_too_large" => (413, serde_json::Value::Null),
        "unsupported_media_type" => (415, serde_json::Value::Null),
        other => panic!("{other}"),
    };
    assert_eq!((answer.problem().as_str(), answer.status), (code, status), "{what}: {}", answer.text());
    assert_eq!(answer.json()["wesalCode"], wesal, "{what}");
    assert_eq!(world.vendor_calls_in_all(), 0, "the vendor was called: {what}");
}

/// The same, with faults at these places and no others.
fn refused_at(world: &World, answer: &Answer, code: &str, pointers: &[&str], what: &str) {
    refused(world, answer, code, what);
    let mut told = answer.pointers();
    told.sort();
    assert_eq!(told, pointers, "{what}");
    for error in answer.json()["errors"].as_array().unwrap() {
        assert!(!error["detail"].as_str().unwrap().is_empty(), "{what}");
    }
}

#[tokio::test]
async fn a_missing_mandatory_field_is_named() {
    let world = World::new().await;
    let queues = format!(r#"{{"queues":["{SALES}"]}}"#);
    let interval = format!("{{{INTERVAL}}}");
    for (path, body, pointers) in [
        (SURVEYS, "{}", &["/companyId"][..]),
        (SURVEYS, r#"{"limit":5,"filters":[]}"#, &["/companyId"]),
        (SUMMARY, "{}", &["/queues"]),
        (SUMMARY, r#"{"extended":true}"#, &["/queues"]),
        (ACTIVITY, "{}", &["/queues"]),
        (PERFORMANCE, "{}", &["/interval", "/queues"]),
        (PERFORMANCE, &queues, &["/interval"]),
        (PERFORMANCE, &interval, &["/queues"]),
        (RESET, "{}", &["/method"]),
        (RESET, r#"{"method":"email"}"#, &["/email"]),
        (RESET, r#"{"method":"phone"}"#, &["/phone"]),
        (VERIFY, "{}", &["/method"]),
        (VERIFY, r#"{"method":"email"}"#, &["/email", "/password", "/verifyCode"]),
        (VERIFY, r#"{"method":"phone","email":"a"}"#, &["/otp", "/password"]),
        (LOGIN, "{}", &["/email", "/password"]),
        (LOGIN, r#"{"email":"app"}"#, &["/password"]),
    ] {
        refused_at(&world, &world.post(path, body).await, "missing_parameter", pointers, &format!("{path} {body}"));
    }
}

#[tokio::test]
async fn each_field_has_its_type_and_range() {
    let mut setup = Setup::default();
    setup.config.limits.max_queues_per_request = 3.try_into().unwrap();
    let world = setup.start().await;
    let mut cases: Vec<(&str, String, Vec<&str>)> = Vec::new();

    let long = format!(r#"["{}"]"#, "x".repeat(129));
    for (queues, pointers) in [
        ("[]", &["/queues"][..]),
        ("null", &["/queues"]),
        ("{}", &["/queues"]),
        (r#""a""#, &["/queues"]),
        ("7", &["/queues"]),
        ("true", &["/queues"]),
        (r#"["a","b","c","d"]"#, &["/queues"]),
        (r#"[""]"#, &["/queues/0"]),
        (r#"["a",""]"#, &["/queues/1"]),
        (r#"["\u0000"]"#, &["/queues/0"]),
        (r#"["a\nb"]"#, &["/queues/0"]),
        (&long, &["/queues/0"]),
        (r#"[1,null,["a"]]"#, &["/queues/0", "/queues/1", "/queues/2"]),
    ] {
        for path in [SUMMARY, ACTIVITY] {
            cases.push((path, format!(r#"{{"queues":{queues}}}"#), pointers.to_vec()));
        }
        cases.push((PERFORMANCE, format!(r#"{{"queues":{queues},{INTERVAL}}}"#), pointers.to_vec()));
    }

    for no_boolean in ["null", r#""true""#, "1", "0", "[]", "{}"] {
        cases.push((SURVEYS, format!(r#"{{"companyId":1,"extended":{no_boolean}}}"#), vec!["/extended"]));
        for path in [SUMMARY, ACTIVITY] {
            cases.push((path, format!(r#"{{"queues":["a"],"extended":{no_boolean}}}"#), vec!["/extended"]));
        }
        let both = format!(r#"{{"queues":["a"],{INTERVAL},"extended":{no_boolean},"partial":{no_boolean}}}"#);
        cases.push((PERFORMANCE, both, vec!["/extended", "/partial"]));
    }

    let (nine, ten) = ("2024-01-28T09:00:00Z", "2024-01-28T10:00:00Z");
    for interval in [
        "null".to_owned(),
        "5".to_owned(),
        "[]".to_owned(),
        r#""""#.to_owned(),
        r#""today""#.to_owned(),
        r#""/""#.to_owned(),
        format!(r#""{nine}""#),
        format!(r#""{nine}/{ten}/{ten}""#),
        format!(r#""{nine}/{nine}""#),
        format!(r#""{ten}/{nine}""#),
        format!(r#""{nine} / {ten}""#),
        r#""2024-01-28/2024-01-29""#.to_owned(),
        r#""2024-01-28T09:00:00/2024-01-28T10:00:00""#.to_owned(),
        format!(r#""2024-02-30T09:00:00Z/{ten}""#),
        format!(r#""{nine}/PT1H""#),
    ] {
        cases.push((PERFORMANCE, format!(r#"{{"queues":["a"],"interval":{interval}}}"#), vec!["/interval"]));
    }

    for company in [
        "0",
        "-1",
        "-0",
        "1.5",
        "1.0",
        "1e2",
        r#""1""#,
        "null",
        "true",
        "[1]",
        "{}",
        "9007199254740992",
        "99999999999999999999",
    ] {
        cases.push((SURVEYS, format!(r#"{{"companyId":{company}}}"#), vec!["/companyId"]));
    }
    for limit in ["0", "101", "-1", "1.0", "1e1", r#""5""#, "null", "true", "[]", "{}"] {
        cases.push((SURVEYS, format!(r#"{{"companyId":1,"limit":{limit}}}"#), vec!["/limit"]));
    }
    for offset in ["-1", "-0", "0.0", "1e0", r#""0""#, "null", "false", "[]", "{}", "18446744073709551616"] {
        cases.push((SURVEYS, format!(r#"{{"companyId":1,"offset":{offset}}}"#), vec!["/offset"]));
    }
    for (filters, pointers) in [
        ("null", &["/filters"][..]),
        ("{}", &["/filters"]),
        (r#""x""#, &["/filters"]),
        ("[null]", &["/filters/0"]),
        (r#"[{"dimension":"a","value":1},7]"#, &["/filters/1"]),
        ("[{}]", &["/filters/0/dimension", "/filters/0/value"]),
        (r#"[{"dimension":null,"value":1}]"#, &["/filters/0/dimension"]),
        (r#"[{"dimension":"a"}]"#, &["/filters/0/value"]),
    ] {
        cases.push((SURVEYS, format!(r#"{{"companyId":1,"filters":{filters}}}"#), pointers.to_vec()));
    }

    for text in ["null", "1", "true", "[]", "{}"] {
        cases.push((LOGIN, format!(r#"{{"email":{text},"password":{text}}}"#), vec!["/email", "/password"]));
        cases.push((RESET, format!(r#"{{"method":{text}}}"#), vec!["/method"]));
        cases.push((RESET, format!(r#"{{"method":"phone","phone":{text}}}"#), vec!["/phone"]));
        let all = format!(r#"{{"method":"email","email":{text},"verifyCode":{text},"otp":{text},"password":{text}}}"#);
        cases.push((VERIFY, all, vec!["/email", "/otp", "/password", "/verifyCode"]));
    }
    cases.push((RESET, r#"{"method":"pigeon"}"#.to_owned(), vec!["/method"]));
    cases.push((RESET, r#"{"method":"email","email":" "}"#.to_owned(), vec!["/email"]));

    for (path, body, pointers) in cases {
        let what = format!("{path} {body}");
        refused_at(&world, &world.post(path, &body).await, "invalid_request", &pointers, &what);
    }
}

#[tokio::test]
async fn a_field_that_the_reference_does_not_name_for_the_route_is_refused() {
    let world = World::new().await;
    for (path, body, pointers) in [
        (SUMMARY, r#"{"queues":["a"],"x":1}"#.to_owned(), &["/x"][..]),
        (SUMMARY, r#"{"queues":["a"],"a/b~c":1,"":null}"#.to_owned(), &["/", "/a~1b~0c"]),
        (SUMMARY, format!(r#"{{"queues":["a"],{INTERVAL},"partial":true}}"#), &["/interval", "/partial"]),
        (ACTIVITY, r#"{"queues":["a"],"companyId":1,"Extended":true}"#.to_owned(), &["/Extended", "/companyId"]),
        (PERFORMANCE, format!(r#"{{"queues":["a"],{INTERVAL},"limit":1,"offset":0}}"#), &["/limit", "/offset"]),
        (SURVEYS, r#"{"companyId":1,"queues":["a"]}"#.to_owned(), &["/queues"]),
        (RESET, r#"{"method":"email","email":"a","otp":"1"}"#.to_owned(), &["/otp"]),
        (
            VERIFY,
            r#"{"method":"email","email":"a","verifyCode":"b","password":"c","phone":"1"}"#.to_owned(),
            &["/phone"],
        ),
        (LOGIN, r#"{"email":"app","password":"x","company":"ACME"}"#.to_owned(), &["/company"]),
    ] {
        refused_at(&world, &world.post(path, &body).await, "invalid_request", pointers, &format!("{path} {body}"));
    }
}

#[tokio::test]
async fn all_faults_are_told_at_once_and_a_missing_field_names_the_code() {
    let world = World::new().await;
    let body = r#"{"limit":0,"offset":-1,"extended":1,"filters":[{}],"x":1}"#;
    let pointers = ["/companyId", "/extended", "/filters/0/dimension", "/filters/0/value", "/limit", "/offset", "/x"];
    refused_at(&world, &world.post(SURVEYS, body).await, "missing_parameter", &pointers, body);
    let body = r#"{"queues":["a",1,""],"interval":"x","partial":null,"y":[]}"#;
    let pointers = ["/interval", "/partial", "/queues/1", "/queues/2", "/y"];
    refused_at(&world, &world.post(PERFORMANCE, body).await, "invalid_request", &pointers, body);
}

#[tokio::test]
async fn what_is_no_json_is_refused_on_every_route_that_takes_a_body() {
    let world = World::new().await;
    let deep = format!(r#"{{"filters":{}{}}}"#, "[".repeat(5000), "]".repeat(5000));
    let bodies: [&[u8]; 18] = [
        b"",
        b" ",
        b"{",
        br#"{"queues":["a"#,
        br#"{"queues":["a"]}}"#,
        br#"{"queues":["a"]}{}"#,
        br#"{'queues':['a']}"#,
        br#"{"queues":["a",]}"#,
        br#"{"companyId":01}"#,
        br#"{"companyId":NaN}"#,
        br#"{"companyId":1/*one*/}"#,
        b"{\"queues\":[\"a\nb\"]}",
        b"{\"queues\":[\"\xff\"]}",
        b"{\"queues\":[\"\xed\xa0\x80\"]}",
        b"\xef\xbb\xbf{\"queues\":[\"a\"]}",
        b"queues=a",
        "[".repeat(5000).leak().as_bytes(),
        deep.as_bytes(),
    ];
    for path in POSTED {
        for body in bodies {
            let what = format!("{path} {}", String::from_utf8_lossy(&body[..body.len().min(80)]));
            let request = world.request("POST", path).header("authorization", world.key());
            let request = request.header("content-type", "application/json").body(body.to_vec());
            refused_at(&world, &world.send(request).await, "invalid_request", &[""], &what);
        }
        for no_object in ["[]", r#""queues""#, "null", "1", "true"] {
            let what = format!("{path} {no_object}");
            refused_at(&world, &world.post(path, no_object).await, "invalid_request", &[""], &what);
        }
    }
}

#[tokio::test]
async fn a_value_that_cannot_be_kept_is_told_by_where_it_stands_and_not_by_a_column_of_its_own() {
    let world = World::new().await;
    for path in POSTED {
        for (body, pointer) in [
            (r#"{"companyId":1e999}"#, "/companyId"),
            (r#"{"queues":["a"],"extended":-1e999}"#, "/extended"),
            (r#"{"queues":["\ud800"]}"#, "/queues/0"),
            (r#"{"queues":["a"],"email":"\udc00"}"#, "/email"),
            (r#"{"filters":[{"value":{"a/b":["\ud800\ud800"]}}]}"#, "/filters/0/value/a~1b/0"),
            (r#"{"filters":[{"\ud800":1}]}"#, "/filters/0"),
        ] {
            let answer = world.post(path, body).await;
            refused_at(&world, &answer, "invalid_request", &[pointer], &format!("{path} {body}"));
            assert!(!answer.text().contains("column"), "{path} {body}: {}", answer.text());
        }
        let answer = world.post(path, "{\n\"companyId\":01}").await;
        assert!(answer.text().contains("at line 2 column 14"), "{path}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_doubled_key_is_refused_at_any_depth_and_in_any_spelling() {
    let world = World::new().await;
    for (path, body, pointer) in [
        (SUMMARY, r#"{"queues":["a"],"queues":["a"]}"#, "/queues"),
        (SUMMARY, r#"{"queues":["a"],"\u0071ueues":["b"]}"#, "/queues"),
        (SURVEYS, r#"{"companyId":1,"companyId":2}"#, "/companyId"),
        (SURVEYS, r#"{"companyId":1,"filters":[{"dimension":"a","value":1,"value":2}]}"#, "/filters/0/value"),
        (
            SURVEYS,
            r#"{"companyId":1,"filters":[{"dimension":"a","value":{"x":[{"y":1,"y":1}]}}]}"#,
            "/filters/0/value/x/0/y",
        ),
        (LOGIN, r#"{"email":"app","password":"a","password":"b"}"#, "/password"),
        (RESET, r#"{"method":"email","email":"a","email":"b"}"#, "/email"),
    ] {
        refused_at(&world, &world.post(path, body).await, "invalid_request", &[pointer], body);
    }
}

#[tokio::test]
async fn a_company_in_the_path_is_a_number_in_its_one_spelling() {
    let world = World::new().await;
    for company in [
        "0",
        "-1",
        "+1",
        "01",
        "1.5",
        "1.0",
        "1e2",
        "abc",
        "%20",
        "1%20",
        "1%2f2",
        "1;2",
        "1,2",
        "1%00",
        "%ff",
        "9007199254740992",
        "99999999999999999999",
        "%D9%A1",
    ] {
        let answer = world.get(&format!("/survey/queries/questions/{company}")).await;
        refused(&world, &answer, "invalid_request", company);
        let errors = answer.json()["errors"].clone();
        assert_eq!((errors.as_array().unwrap().len(), &errors[0]["parameter"]), (1, &"companyId".into()), "{company}");
    }
}

#[tokio::test]
async fn a_percent_encoded_company_is_that_company_and_no_second_entry_in_the_cache() {
    let world = World::new().await;
    let plain = world.get("/survey/queries/questions/1").await.ok();
    let encoded = world.get("/survey/queries/questions/%31").await.ok();
    assert_eq!(plain.body, encoded.body);
    assert!(encoded.header("cache-status").contains("hit"));
    assert_eq!(world.vendor_calls_in_all(), 1);
    assert_eq!(world.vendor.last_request("questions").unwrap().target, "/api/v1/survey/queries/questions/1");
}

#[tokio::test]
async fn a_query_parameter_is_refused_on_every_route() {
    let world = World::new().await;
    for route in DATA.iter().chain(&AUTH) {
        for (query, names) in [("x=1", &["x"][..]), ("companyId=1&%D8%A3=", &["companyId", "أ"]), ("=", &[""])] {
            let path = format!("{}?{query}", route.path);
            let request = world.request(route.method, &path).header("authorization", world.key());
            let request = request.header("content-type", "application/json").body(route.body);
            let answer = world.send(request).await;
            refused(&world, &answer, "invalid_request", &path);
            let errors = answer.json()["errors"].clone();
            let told: Vec<_> = errors.as_array().unwrap().iter().map(|error| error["parameter"].clone()).collect();
            assert_eq!(told, names, "{path}");
        }
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_whether_its_length_is_told_or_not() {
    let mut setup = Setup::default();
    setup.config.server.max_body = Size::from_kib(1);
    let world = setup.start().await;
    let key = world.key();
    for path in POSTED {
        let head = format!(
            "POST /api/v1{path} HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\nContent-Type: application/json\r\n"
        );
        let told = format!("{head}Content-Length: 1025\r\nConnection: close\r\n\r\n");
        let huge = format!("{head}Content-Length: 1099511627776\r\nConnection: close\r\n\r\n");
        let untold =
            format!("{head}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n401\r\n{}", " ".repeat(1025));
        for request in [told, huge, untold] {
            let answer = world.raw(request.as_bytes()).await;
            assert!(
                answer.starts_with("HTTP/1.1 413 ") && answer.contains(r#""code":"payload_too_large""#),
                "{answer}"
            );
        }
    }
    assert_eq!(world.vendor_calls_in_all(), 0);
    let answer = world.post(SUMMARY, &" ".repeat(1025)).await;
    refused(&world, &answer, "payload_too_large", "told by an HTTP client");
    let body = format!("{:1024}", format!(r#"{{"queues":["{SALES}"]}}"#));
    world.post(SUMMARY, &body).await.ok();
}

#[tokio::test]
async fn a_body_must_be_plain_json() {
    let world = World::new().await;
    let good = format!(r#"{{"queues":["{SALES}"]}}"#);
    let request = |path: &str| world.request("POST", path).header("authorization", world.key()).body(good.clone());
    for path in POSTED {
        refused(&world, &world.send(request(path)).await, "unsupported_media_type", path);
        for kind in ["", "text/plain", "text/json", "application/x-www-form-urlencoded", "application/jsonp", "*/*"] {
            let answer = world.send(request(path).header("content-type", kind)).await;
            refused(&world, &answer, "unsupported_media_type", kind);
        }
        for coding in ["gzip", "br", "identity, gzip", "deflate"] {
            let request = request(path).header("content-type", "application/json").header("content-encoding", coding);
            refused(&world, &world.send(request).await, "unsupported_media_type", coding);
        }
    }
    for kind in ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"] {
        world.send(request(SUMMARY).header("content-type", kind)).await.ok();
    }
    // Codings, too, are the same in capitals and small letters (RFC 9110, section 8.4.1).
    for coding in ["identity", "Identity", "IDENTITY"] {
        let request = request(SUMMARY).header("content-type", "application/json").header("content-encoding", coding);
        world.send(request).await.ok();
    }
}

#[tokio::test]
async fn the_query_parameters_and_fields_that_the_settings_name_go_along_and_tell_answers_apart() {
    let mut setup = Setup::default();
    setup.config.upstream.forward_query = vec!["lang".to_owned()];
    setup.config.upstream.forward_fields = vec!["groupBy".to_owned()];
    let world = setup.start().await;
    let target = |route: &str| world.vendor.last_request(route).unwrap().target;

    world.get("/queries/organization").await.ok();
    world.get("/queries/organization?lang=ar").await.ok();
    assert_eq!(target("organization"), "/api/v1/queries/organization?lang=ar");
    world.get("/queries/organization?lang=a%26b+%C3%A9").await.ok();
    assert_eq!(target("organization"), "/api/v1/queries/organization?lang=a%26b%20%C3%A9");
    assert_eq!(world.vendor_calls("organization"), 3);
    for again in ["", "?", "?lang=ar", "?l%61ng=%61r"] {
        let answer = world.get(&format!("/queries/organization{again}")).await.ok();
        assert!(answer.header("cache-status").contains("; hit;"), "{again}");
    }
    for bad in ["lang=ar&lang=ar", "Lang=ar", "lang=%ff", "lang=ar&x=1"] {
        assert_eq!(world.get(&format!("/queries/organization?{bad}")).await.problem(), "invalid_request", "{bad}");
    }

    let with = |more: &str| format!(r#"{{"queues":["{SALES}"]{more}}}"#);
    world.post(SUMMARY, &with("")).await.ok();
    world.post(SUMMARY, &with(r#", "groupBy" : {"b":[1.0, null], "a":1e2}"#)).await.ok();
    let sent = world.vendor.last_request("summary").unwrap().body;
    assert_eq!(String::from_utf8_lossy(&sent), with(r#","groupBy":{"a":1e2,"b":[1.0,null]}"#));
    world.post(SUMMARY, &with(r#","groupBy":{"a":1e2,"b":[1,null]}"#)).await.ok();
    assert_eq!(world.vendor_calls("summary"), 3);
    let again = world.post(SUMMARY, &with(r#","groupBy":{"a":1e2,"b":[1.0,null]}"#)).await.ok();
    assert!(again.header("cache-status").contains("; hit;"));
    let answer = world.post(SUMMARY, &with(r#","groupBy":1,"groupby":1"#)).await;
    assert_eq!((answer.problem().as_str(), answer.pointers()), ("invalid_request", vec!["/groupby".to_owned()]));
    assert_eq!((world.vendor_calls("organization"), world.vendor_calls("summary")), (3, 3));

    let reset = r#"{"method": "email", "email": "nobody@wesal.example"}"#;
    world.post("/auth/reset?lang=ar", reset).await;
    assert_eq!(target("reset"), "/api/v1/auth/reset?lang=ar");
    assert_eq!(world.post("/auth/reset?x=1", reset).await.problem(), "invalid_request");
    assert_eq!(world.vendor_calls("reset"), 1);
}

#[tokio::test]
async fn fields_that_may_be_left_out_are_then_not_sent() {
    let world = World::new().await;
    for (route, path, body, sent) in [
        ("surveys", SURVEYS, r#"{ "companyId" : 1 }"#.to_owned(), r#"{"companyId":1}"#.to_owned()),
        (
            "surveys",
            SURVEYS,
            r#"{"limit":100,"offset":18,"filters":[],"companyId":1}"#.to_owned(),
            r#"{"filters":[],"companyId":1,"offset":18,"limit":100}"#.to_owned(),
        ),
        (
            "summary",
            SUMMARY,
            format!(r#"{{"queues":["{SUPPORT}","{SALES}","{SUPPORT}"]}}"#),
            format!(r#"{{"queues":["{SUPPORT}","{SALES}"]}}"#),
        ),
        (
            "performance",
            PERFORMANCE,
            format!(r#"{{"interval":"2024-01-28T12:00:00+03:00/2024-01-28T10:00:00Z","queues":["{SALES}"]}}"#),
            format!(r#"{{"queues":["{SALES}"],{INTERVAL}}}"#),
        ),
    ] {
        world.post(path, &body).await.ok();
        let got = world.vendor.last_request(route).unwrap().body;
        assert_eq!(String::from_utf8_lossy(&got), sent);
    }
}
