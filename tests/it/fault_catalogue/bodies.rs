//! What stands in an answer under 200.

use serde_json::{Value, json};
use wesal_simulator::Fault;

use super::{
    Row,
    fate::*,
    statuses::page,
    story::{FOREIGN, live_through},
};
use crate::harness::{Act, SALES, SUPPORT, http};

fn says(body: impl AsRef<[u8]>) -> Act {
    Act::say(http("200 OK", &["content-type: application/json"], body))
}

/// The answer with its rows changed.
fn with_rows(change: impl Fn(&mut Vec<Value>) + Send + Sync + 'static) -> Act {
    Act::change(move |body| {
        let mut answer: Value = serde_json::from_str(&body).unwrap();
        change(answer["data"]["result"].as_array_mut().unwrap());
        answer.to_string()
    })
}

/// The answer with `old` replaced by `new`, which must change something.
fn with(old: &'static str, new: impl Into<String>) -> Act {
    let new = new.into();
    Act::change(move |body| {
        assert!(body.contains(old), "{body}");
        body.replacen(old, &new, 1)
    })
}

fn deep(levels: usize) -> String {
    format!("{}1{}", r#"{"deeper":"#.repeat(levels), "}".repeat(levels))
}

fn foreign() -> Value {
    json!({"success": true, "id": FOREIGN, "name": "another's"})
}

fn not_json() -> Vec<Row> {
    const TOO_LARGE: &str = "larger than upstream.max_response";
    let huge = format!("\"filler\":\"{}\",\"memberCount\":", "x".repeat(20 << 20));
    let packed = |body: &[u8]| Act::say(http("200 OK", &["content-encoding: gzip"], body));
    let bad_utf8 = Act::Change(std::sync::Arc::new(|body| {
        let (before, after) = body.split_once("Sales").unwrap();
        [before.as_bytes(), b"\xff\xfe", after.as_bytes()].concat()
    }));
    let bad_beside = Act::Change(std::sync::Arc::new(|body| {
        [b"{\"trace\":\"\xff\xfe\",", body.strip_prefix('{').unwrap().as_bytes()].concat()
    }));
    vec![
        Row::always("answers with a page of HTML", page("200 OK"), INVALID),
        Row::always("answers with nothing", says(""), INVALID),
        Row::always("answers with JSON that ends early", with("\"success\":true}", ""), INVALID),
        Row::always("answers with two documents in one", with("{\"data\"", "{}{\"data\""), INVALID),
        Row::always("answers with 20 MiB", with("\"memberCount\":", huge), INVALID).shows(TOO_LARGE),
        Row::always("answers with gzip that unpacks to 20 MiB", Act::Simulate(Fault::GzipBomb), INVALID)
            .shows(TOO_LARGE),
        Row::always("calls gzip what is not", packed(b"{\"data\":{}}"), INVALID),
        Row::always("answers with a row that is not UTF-8", bad_utf8, INVALID),
        Row::always("answers with something beside the rows that is not UTF-8", bad_beside, INVALID),
        Row::always("answers with a document 200 levels deep", says(deep(200)), INVALID),
    ]
}

fn other_shapes() -> Vec<Row> {
    let twice = |name: &str, value: &str| format!("\"{name}\":{value},\"{name}\":");
    vec![
        Row::always("answers `null`", says("null"), INVALID),
        Row::always("answers with a list", says("[]"), INVALID),
        Row::always("answers with an empty object", says("{}"), INVALID),
        Row::always("answers `success: true` and no `data`", says(r#"{"success":true}"#), INVALID),
        Row::always("answers with `data` and no `success`", says(r#"{"data":{"result":[]}}"#), INVALID),
        Row::always("writes `success` as a text", with("\"success\":true}", "\"success\":\"true\"}"), INVALID),
        Row::always("answers with `data` that is a list", says(r#"{"data":[],"success":true}"#), INVALID),
        Row::always("answers with rows that are an object", says(r#"{"data":{"result":{}},"success":true}"#), INVALID),
        Row::always("writes `success` twice", with("{\"data\"", "{\"success\":false,\"data\""), INVALID),
        Row::always("writes `data` twice", with("\"data\":", twice("data", "{}")), INVALID),
        Row::always("writes `result` twice", with("\"result\":", twice("result", "[]")), INVALID),
        Row::always(
            "answers with the body of another route",
            says(r#"{"data":{"questions":[]},"success":true}"#),
            INVALID,
        ),
    ]
}

fn odd_rows() -> Vec<Row> {
    let other_route =
        with_rows(|rows| *rows = vec![json!({"queueId": SALES, "data": []}), json!({"queueId": SUPPORT, "data": []})]);
    let differs = with_rows(|rows| rows.push(json!({"success": true, "id": SALES, "name": "differs"})));
    let id_twice = with("\"memberCount\":", format!("\"id\":\"{SUPPORT}\",\"memberCount\":"));
    let in_row = |member: String| with("\"memberCount\":", format!("{member},\"memberCount\":"));
    vec![
        Row::always("writes `1e999` into a row", in_row("\"odd\":1e999".to_owned()), ANSWERED).shows("1e999"),
        Row::always("writes a row 200 levels deep", in_row(format!("\"odd\":{}", deep(200))), ANSWERED).shows("deeper"),
        Row::always("writes a member of a row twice", in_row("\"odd\":1,\"odd\":2".to_owned()), ANSWERED)
            .shows("\"odd\":1,\"odd\":2"),
        Row::always("writes a row's id twice, and differently", id_twice, ANSWERED_AS_A_WHOLE),
        Row::always("leaves one queue out", with_rows(|rows| drop(rows.remove(0))), ABSENT),
        Row::always("leaves every queue out", with_rows(Vec::clear), ABSENT).shows("\"result\":[]"),
        Row::always("gives every row twice", with_rows(|rows| rows.extend(rows.clone())), ANSWERED),
        Row::always("gives two rows for one queue that differ", differs, ANSWERED_AS_A_WHOLE).shows("differs"),
        Row::always("gives the rows in another order", with_rows(|rows| rows.reverse()), ANSWERED),
        Row::always("adds a queue that nobody asked for", with_rows(|rows| rows.push(foreign())), ANSWERED),
        Row::always("answers with other queues only", with_rows(|rows| *rows = vec![foreign()]), NOT_FOR_US),
        Row::always("answers with the rows of another queue route", other_route, ANSWERED_AS_A_WHOLE).shows("queueId"),
    ]
}

pub fn rows() -> Vec<Row> {
    [not_json(), other_shapes(), odd_rows()].into_iter().flatten().collect()
}

#[tokio::test]
async fn what_is_not_json_is_not_passed_on() {
    live_through(not_json()).await;
}

#[tokio::test]
async fn json_of_another_shape_is_not_passed_on() {
    live_through(other_shapes()).await;
}

#[tokio::test]
async fn rows_are_passed_on_as_they_are_and_to_whom_they_are_for() {
    live_through(odd_rows()).await;
}
