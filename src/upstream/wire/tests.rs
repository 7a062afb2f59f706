use proptest::prelude::*;

use super::*;
use crate::model::Further;

fn read(route: Route, status: u16, body: &str) -> Meaning {
    let retry_after = (status == 429).then_some(Duration::from_secs(5));
    meaning(route, &RawAnswer { status, retry_after, body: bytes::Bytes::copy_from_slice(body.as_bytes()) }, &[])
}

fn rejected(meaning: Meaning) -> (u16, Option<VendorCode>, String) {
    match meaning {
        Meaning::Rejected(Rejection { status, code, words }) => (status, code, words),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_code_is_found_wherever_a_person_would_put_it() {
    for body in [
        r#"{"success":false,"code":"X004"}"#,
        r#"{"success":false,"errorCode":"x004"}"#,
        r#"{"success":false,"error":"X004"}"#,
        r#"{"success":false,"error":{"code":"X004"}}"#,
        r#"{"success":false,"message":"Error X004: invalid"}"#,
        r#"{"success":false,"errors":[{"code":"X004"}]}"#,
        r#"{"success":false,"error":{"message":"X004: invalid"}}"#,
        r#"{"success":false,"errors":[{"message":"X004: invalid"}]}"#,
        r#"{"success":true,"data":{"success":false,"code":"X004"}}"#,
    ] {
        for status in [200, 400, 403] {
            let (told, code, _) = rejected(read(Route::QueueSummary, status, body));
            assert_eq!((told, code), (400, Some(VendorCode::X004)), "{status} {body}");
        }
        let dead = body.replace("004", "003");
        for status in [200, 302, 400, 423, 500, 502, 503, 504] {
            assert_eq!(read(Route::QueueSummary, status, &dead), Meaning::TokenDead, "{status} {dead}");
        }
    }
}

#[test]
fn a_further_route_may_answer_whatever_is_json_and_says_not_that_it_failed() {
    let further = Box::leak(Box::new(Further {
        index: 0,
        path: "/agents/{id}".parse().unwrap(),
        is_gotten: true,
        query: Vec::new(),
    }));
    let read = |status, body: &str| read(Route::Further(further), status, body);
    for body in [
        r#"{"success":true,"data":{"success":false,"call":"ended"}}"#,
        r#"{"success":true,"data":{"success":12,"failed":3}}"#,
        r#"{"success":true,"data":[1]}"#,
        r#"{"a":1}"#,
        r#"[{"a":1}]"#,
        "null",
    ] {
        assert_eq!(read(200, body), Meaning::Success, "{body}");
        assert_ne!(read(500, body), Meaning::Success, "{body}");
    }
    for body in
        [r#"{"success":false}"#, r#"{"success":1}"#, r#"{"code":"X004"}"#, "{", "[1", "<html>", "", "\u{feff}{}"]
    {
        assert_ne!(read(200, body), Meaning::Success, "{body}");
    }
    assert_eq!(read(200, r#"{"success":false,"code":"X003"}"#), Meaning::TokenDead);
    assert_eq!(rejected(read(200, r#"{"success":false,"code":"X004"}"#)).1, Some(VendorCode::X004));
}

#[test]
fn a_callers_own_text_is_no_verdict() {
    for body in [
        r#"{"success":false,"message":"Queue X003 not found"}"#,
        r#"{"success":false,"error":"no queue X003"}"#,
        r#"{"success":false,"code":"X004","message":"X003 is no queue id"}"#,
    ] {
        assert!(matches!(read(Route::QueueSummary, 400, body), Meaning::Rejected(_)), "{body}");
    }
}

#[test]
fn only_a_complete_and_successful_answer_is_one() {
    use Meaning::{Failed, Invalid, Success, TokenDead, Unavailable};
    const ORGANIZATION: &str = r#"{"data":{"organization":{},"companies":[]},"success":true}"#;
    let unsaid = || Invalid("it does not say whether it succeeded");
    let lacks = Invalid("its data lacks the list that the route promises");
    let no_json = Invalid("it is not a JSON object of the promised kind");
    for (status, body, meaning) in [
        (200, ORGANIZATION, Success),
        (500, ORGANIZATION, Failed { code: None, said_no: false }),
        (503, ORGANIZATION, Unavailable(None)),
        (503, r#"{"success":false,"code":"X004"}"#, Unavailable(Some(VendorCode::X004))),
        (503, r#"{"success":false,"message":"the token X003 is dead"}"#, Unavailable(None)),
        (504, "{\"code\":\"X003\"", Unavailable(None)),
        (302, ORGANIZATION, Invalid("it is a redirect")),
        (304, "", Invalid("it is a 304, and nothing was asked on a condition")),
        (205, ORGANIZATION, Invalid("it is a 205, which has no content")),
        (206, ORGANIZATION, Invalid("it is a part of an answer, and no part was asked for")),
        (401, "", TokenDead),
        (401, "<html>", TokenDead),
        (403, "<html>", Failed { code: None, said_no: true }),
        (500, r#"{"code":"X004"}"#, Failed { code: Some(VendorCode::X004), said_no: false }),
        (200, r#"{"success":false}"#, Failed { code: None, said_no: true }),
        (200, r#"{"success":false,"code":"X001"}"#, TokenDead),
        (200, r#"{"data":{"companies":[]}}"#, unsaid()),
        (200, r#"{"success":true}"#, lacks),
        (200, r#"{"success":true,"data":{"companies":[],"success":true,"success":false}}"#, unsaid()),
        (200, r#"{"success":true,"data":{"companies":[],"success":"false"}}"#, unsaid()),
        (200, r#"{"success":true,"data":{"companies":7}}"#, Invalid("its data lacks the list that the route promises")),
        (200, "", Invalid("it is not a JSON object of the promised kind")),
        (200, "<html>", Invalid("it is not a JSON object of the promised kind")),
        (200, "[]", Invalid("it is not a JSON object of the promised kind")),
        (200, r#"[true,{"companies":[]}]"#, Invalid("it is not a JSON object of the promised kind")),
        (200, r#"{"success":true,"data":[[],[],[],[]]}"#, unsaid()),
        (200, "{\"success\":true", no_json),
    ] {
        assert_eq!(read(Route::Organization, status, body), meaning, "{status} {body}");
    }
}

#[test]
fn a_refusal_keeps_its_status_and_the_vendors_words() {
    let body = r#"{"success":false,"message":"no company 7 for a@b.c"}"#;
    assert_eq!(rejected(read(Route::Questions, 404, body)), (404, None, "no company 7 for [removed]".to_owned()));
    assert_eq!(rejected(read(Route::Questions, 422, "{}")), (422, None, String::new()));
    assert_eq!(read(Route::Questions, 404, "<html>"), Meaning::Failed { code: None, said_no: true });
    let markup = r#"{"success":false,"message":"<html><h1>no company</h1>"}"#;
    assert_eq!(rejected(read(Route::Questions, 404, markup)), (404, None, String::new()));
}

#[test]
fn a_password_change_succeeds_whatever_stands_beside_the_word_of_it() {
    for body in [r#"{"success":true}"#, r#"{"success":true,"data":[]}"#, r#"{"success":true,"data":"ok"}"#] {
        assert_eq!(read(Route::Verify, 200, body), Meaning::Success, "{body}");
    }
}

#[test]
fn a_login_is_refused_in_many_words() {
    use LoginMeaning::{Failed, Good, Invalid, Refused, Throttled};
    let read = |status, body: &str| {
        let retry_after = (status == 429).then_some(Duration::from_secs(7));
        let body = bytes::Bytes::copy_from_slice(body.as_bytes());
        login_meaning(&RawAnswer { status, retry_after, body }, |told| told.get("token").cloned())
    };
    for (status, body) in [
        (200, r#"{"success":false}"#),
        (200, r#"{"code":"X001","message":"no"}"#),
        (200, r#"{"error":{"code":"X003"}}"#),
        (200, r#"{"success":true,"data":{"success":false}}"#),
        (200, r#"{"error":"wrong password"}"#),
        (200, r#"{"success":false,"token":"t"}"#),
        (302, r#"{"code":"X001"}"#),
        (408, r#"{"code":"X001"}"#),
        (500, r#"{"success":false,"code":"X001"}"#),
        (502, r#"{"error":{"message":"X001: unknown key"}}"#),
        (503, r#"{"errors":[{"message":"X001: unknown key"}]}"#),
        (504, r#"{"code":"X002"}"#),
        (404, r#"{"success":false}"#),
        (404, r#"{"message":"no such user"}"#),
        (409, r#"{"message":"disabled"}"#),
        (418, "{}"),
        (423, r#"{"message":"Account locked"}"#),
        (423, "<html>"),
        (400, ""),
        (401, "<html>"),
        (403, "<html>"),
        (422, "{}"),
    ] {
        assert_eq!(read(status, body), Refused, "{status} {body}");
    }
    for (status, body) in [
        (404, "<html>"),
        (409, ""),
        (408, ""),
        (408, r#"{"success":false}"#),
        (421, "{}"),
        (425, r#"{"message":"too early"}"#),
        (500, ""),
        (500, r#"{"success":false}"#),
        (503, "<html>"),
        (503, r#"{"success":false,"message":"later"}"#),
    ] {
        assert_eq!(read(status, body), Failed, "{status} {body}");
    }
    assert_eq!(read(429, r#"{"code":"X001"}"#), Throttled(Duration::from_secs(7)));
    assert!(matches!(read(200, r#"{"token":"t"}"#), Good(_)));
    assert_eq!(read(200, r#"{"success":true}"#), Refused, "success without a token");
    assert!(matches!(read(200, "<html>"), Invalid(_)));
    for status in [205, 206, 302, 304] {
        assert!(matches!(read(status, r#"{"token":"t"}"#), Invalid(_)), "{status}");
    }
}

proptest! {
    #[test]
    fn any_bytes_have_a_meaning(status in 100u16..600, body: Vec<u8>) {
        let answer = RawAnswer { status, retry_after: None, body: body.into() };
        for route in Route::ALL {
            let _ = meaning(route, &answer, &[]);
        }
    }
}

#[test]
fn retry_after_pauses_on_503_and_429_only() {
    let answer = |status, retry_after: Option<u64>| {
        let retry_after = retry_after.map(Duration::from_secs);
        RawAnswer { status, retry_after, body: bytes::Bytes::new() }
    };
    let read = |answer| meaning(Route::Organization, &answer, &[]);
    assert_eq!(read(answer(503, Some(60))), Meaning::Throttled(Duration::from_secs(60)));
    assert_eq!(read(answer(503, None)), Meaning::Unavailable(None));
    assert_eq!(read(answer(502, Some(60))), Meaning::Unavailable(None));
    assert_eq!(read(answer(429, None)), Meaning::Throttled(Duration::from_secs(5)));
    let login = |answer| login_meaning(&answer, |_| None::<()>);
    assert_eq!(login(answer(503, Some(60))), LoginMeaning::Throttled(Duration::from_secs(60)));
    assert_eq!(login(answer(503, None)), LoginMeaning::Failed);
}
