//! The vendor's five codes, under 200 with `success: false`, in each place where a person might put one.

use serde_json::{Value, json};
use wesal_simulator::Credentials;

use super::{
    Row,
    fate::*,
    story::{CANARY, live_through},
};
use crate::harness::{Act, http};

/// Where a code may stand, in the document or in its `data`.
pub const PLACES: [&str; 8] =
    ["code", "errorCode", "error", "error.code", "error.message", "message", "errors[0].code", "errors[0].message"];

/// Each code, and what comes of it.
pub const CODES: [(&str, Fate); 5] = [
    ("X0000", Fate::rejected(400, Some("X0000"))),
    ("X001", LOGIN_FAILED),
    ("X002", LOGIN_FAILED),
    ("X003", LOGIN_FAILED),
    ("X004", Fate::rejected(400, Some("X004"))),
];

fn told(code: &str, place: &str, token: &str) -> Value {
    let Credentials { client_id, email, password } = Credentials::default();
    let words = format!("not so: {email} {password} {client_id} {token}");
    match place {
        "code" => json!({"code": code, "message": words}),
        "errorCode" => json!({"errorCode": code, "errorMessage": words}),
        "error" => json!({"error": code, "description": words}),
        "error.code" => json!({"error": {"code": code, "message": words}}),
        "message" => json!({"message": format!("{code}: {words}")}),
        "error.message" => json!({"error": {"message": format!("{code}: {words}")}}),
        "errors[0].message" => json!({"errors": [{"message": format!("{code}: {words}")}]}),
        "errors[0].code" => json!({"errors": [{"code": code, "message": words}]}),
        other => panic!("no code stands at {other}"),
    }
}

fn row(code: &'static str, place: &'static str, inside: bool, fate: Fate) -> Row {
    let act = Act::make(move |came| {
        let mut document = told(code, place, &came.credential);
        document["success"] = false.into();
        if inside {
            document = json!({"data": document, "success": false});
        }
        http("200 OK", &[], document.to_string())
    });
    let where_to = if inside { format!("data.{place}") } else { place.to_owned() };
    // What a crowd shares does not depend on where the code stands.
    Row { by_a_crowd: place == "code", ..Row::always(format!("says {code} at `{where_to}`"), act, fate) }
}

/// Every code in every place.
pub fn rows() -> Vec<Row> {
    let places = PLACES.into_iter().flat_map(|place| [(place, false), (place, true)]);
    places.flat_map(|(place, inside)| CODES.map(|(code, fate)| row(code, place, inside, fate))).collect()
}

#[tokio::test]
async fn a_code_is_heeded_wherever_it_stands() {
    assert_eq!(rows().len(), 80);
    live_through(rows()).await;
}

#[tokio::test]
async fn a_failure_without_a_code_is_the_vendors_own() {
    live_through(without_a_code()).await;
}

/// A failure that is told in other ways.
pub fn without_a_code() -> Vec<Row> {
    let says = |body: Value| Act::say(http("200 OK", &[], body.to_string()));
    let inner = json!({"data": {"success": false, "message": CANARY}, "success": true});
    // Inside a caller's own text a code is no verdict.
    let quoted = json!({"success": false, "message": "queue X003 is unknown"});
    vec![
        Row::always("says `success: false` and no code", says(json!({"success": false, "message": CANARY})), FAILED),
        Row::always("says `success: false` inside `data`, and no code", says(inner), FAILED),
        Row::always("says `success: false` and quotes a code as a queue's name", says(quoted), FAILED),
    ]
}
