//! What holds of every answer of the vendor's, whatever its bytes: an oracle for the fuzzer and for the seeds in
//! `fuzz/corpus`, which reads the answer in its own way.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::{
    login::Token,
    wire::Rejection,
    wire::{Meaning, RawAnswer, VendorCode, meaning},
    words,
};
use crate::model::Route;

/// As long as real ones, one with a space, one that is not ASCII, and one as short as any that is removed.
const SECRETS: [&str; 4] = ["RW5jb2RlIHRvIEJhc2U2NCBmb3JtYXQ=", "correct horse battery", "pässwörd", "h2."];

/// What an answer means, in a word.
pub(crate) fn answer_means(route: Route, status: u16, body: &Bytes) -> &'static str {
    let retry_after = (status == 429).then_some(Duration::from_secs(5));
    let answer = RawAnswer { status, retry_after, body: body.clone() };
    match meaning(route, &answer, &SECRETS) {
        Meaning::Success => {
            is_what_it_promises(route, status, body);
            "success"
        }
        Meaning::Rejected(rejection) => {
            is_fit_for_callers(&rejection);
            "rejected"
        }
        Meaning::TokenDead => "token-dead",
        Meaning::Throttled(_) => "throttled",
        Meaning::Unavailable(_) => "unavailable",
        Meaning::Failed { .. } => "failed",
        Meaning::Invalid(_) => "invalid",
    }
}

/// A success is UTF-8 and JSON to its last byte, says nowhere that it is none, and has its route's list.
fn is_what_it_promises(route: Route, status: u16, body: &[u8]) {
    assert!((200..=299).contains(&status) && ![205, 206].contains(&status), "{status} is no success");
    let text = std::str::from_utf8(body);
    assert!(text.is_ok(), "a success that is not UTF-8");
    let text = text.unwrap_or_default();
    assert!(serde_json::from_str::<IgnoredAny>(text).is_ok(), "a success that is not JSON");
    // It reads numbers that a double holds, and to some depth.
    let Ok(told) = serde_json::from_str::<Value>(text) else { return };
    assert_eq!(told.get("success"), Some(&Value::Bool(true)));
    let list = match route {
        Route::Login => return has_a_usable_token(&told),
        Route::Logout | Route::Reset | Route::Verify | Route::Further(_) => return,
        Route::Organization => "/data/companies",
        Route::Questions => "/data/questions",
        Route::Surveys => "/data/surveys",
        Route::QueueSummary | Route::QueueActivity | Route::QueuePerformance => "/data/result",
    };
    assert!(told.pointer(list).is_some_and(Value::is_array), "a success without {list}");
    let inner = told.pointer("/data/success");
    assert!(matches!(inner, None | Some(Value::Null | Value::Bool(true))), "a success that says {inner:?} of itself");
}

/// Whatever stands where a token does can be held and thrown away: no time is too long or too odd.
fn has_a_usable_token(told: &Value) {
    let token = told.pointer("/data/access_token").and_then(Value::as_str);
    let Some(token) = token.and_then(|token| Token::new(token.to_owned())) else { return };
    for now in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
        if let Some(life) = token.life(now) {
            assert!(!life.is_zero());
            assert!(life.mul_f64(0.8) <= life);
        }
    }
}

fn is_fit_for_callers(Rejection { status, code, words }: &Rejection) {
    assert!([400, 404, 422].contains(status), "{status} is no caller's doing");
    assert!(
        matches!(code, None | Some(VendorCode::X0000 | VendorCode::X004)),
        "{code:?} is the gateway's own business"
    );
    assert!(words.chars().count() <= 200 && !words.chars().any(char::is_control));
    for secret in SECRETS.iter().chain(&["@", "eyJ", "wgw_"]) {
        assert!(!words.contains(secret), "{secret} in {words:?}");
    }
    // Where words are cut, a word's head may look like what it is not.
    if words.chars().count() < 200 {
        assert_eq!(words::clean(words, &SECRETS), *words, "cleaned words can be cleaned further");
    }
}
