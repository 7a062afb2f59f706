//! The status line, and the headers that go with it.

use bytes::Bytes;
use futures_util::FutureExt;
use jiff::SignedDuration;

use super::{
    Row,
    fate::*,
    story::{CANARY, elsewhere, live_through},
    wire::good,
};
use crate::harness::{Act, http};

/// A page of HTML that tells what it should not.
pub fn page(status: &'static str) -> Act {
    Act::make(move |came| {
        let page =
            format!("<html><h1>{CANARY}</h1><p>X003 {} demo@wesal.example open-sesame</p></html>", came.credential);
        http(status, &["content-type: text/html"], page)
    })
}

fn wait(line: &str) -> Act {
    let headers: &[&str] = if line.is_empty() { &[] } else { &[line] };
    Act::say(http("429 Too Many Requests", headers, r#"{"success":false,"message":"slow down"}"#))
}

pub fn rows(elsewhere: &str) -> Vec<Row> {
    let error = || Act::say(http("500 Error", &[], r#"{"success":false,"message":"failed"}"#));
    let date = Act::make(|came| {
        let date = (came.at + SignedDuration::from_secs(40)).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        http("429 Too Many Requests", &[&format!("retry-after: {date}")], "")
    });
    let ahead = Act::make(|came| {
        let told = |ahead: i64| (came.at + SignedDuration::from_secs(3600 + ahead)).strftime("%a %b %e %H:%M:%S %Y");
        let (date, until) = (format!("date: {}", told(0)), format!("retry-after: {}", told(40)));
        http("429 Too Many Requests", &[&date, &until], "")
    });
    let good = |status| Act::say(http(status, &["content-type: application/json"], good()));
    let cut = Act::Write("HTTP/1.1 429 Wait\r\nretry-after: 7\r\ncontent-length: 900\r\n\r\n{\"succ".into());
    let mut rows = vec![
        Row::always("answers 500 with JSON", error(), FAILED),
        Row::once("answers 500 with JSON, once", error(), FAILED),
        Row::always("answers 500 with a page of HTML", page("500 Error"), FAILED),
        Row::always("answers 403 with a page of HTML", page("403 Forbidden"), FAILED),
        Row::always("answers 404 with a page of HTML", page("404 Not Found"), FAILED),
        Row::always(
            "answers 404 with JSON",
            Act::say(http("404 Not Found", &[], r#"{"success":false,"message":"nothing here"}"#)),
            Fate::rejected(404, None),
        ),
        Row::always("answers 204", Act::say("HTTP/1.1 204 No Content\r\n\r\n"), INVALID),
        Row::always("answers 205 with a body", good("205 Reset Content"), INVALID),
        Row::always("answers 206 with a whole answer", good("206 Partial Content"), INVALID),
        Row::always("answers 304", Act::say("HTTP/1.1 304 Not Modified\r\n\r\n"), INVALID).shows("a 304"),
        Row::always("answers 401 without a body", Act::say(http("401 Unauthorized", &[], "")), LOGIN_FAILED),
        Row::once(
            "answers 401 without a body, once",
            Act::say(http("401 Unauthorized", &[], "")),
            ANSWERED_AFTER_A_LOGIN,
        ),
        Row::always("answers 401 with a page of HTML", page("401 Unauthorized"), LOGIN_FAILED),
        Row::always("answers 429 with `Retry-After: 2`", wait("retry-after: 2"), THROTTLED_TWICE),
        Row::always("answers 429 with `Retry-After: 7`", wait("retry-after: 7"), Fate::throttled(7)),
        Row::always("answers 429 with `Retry-After: 7` and a body that ends early", cut, Fate::throttled(7)),
        Row::always("answers 429 without `Retry-After`", wait(""), Fate::throttled(5)),
        Row::always("answers 429 with nonsense in `Retry-After`", wait("retry-after: soon"), Fate::throttled(5)),
        Row::always("answers 429 with a date in 40 s as `Retry-After`", date, Fate::throttled(40)),
        Row::always(
            "answers 429 with a date in 40 s by its own clock, an hour ahead, in the form of asctime",
            ahead,
            Fate::throttled(40),
        ),
    ];
    let unavailable = |line: &str| Act::say(http("503 Service Unavailable", &[line], r#"{"success":false}"#));
    rows.push(Row::always("answers 503 with `Retry-After: 7`", unavailable("retry-after: 7"), Fate::throttled(7)));
    rows.push(Row::always(
        "answers 503 with nonsense in `Retry-After`",
        unavailable("retry-after: soon"),
        FAILED_THREE_TIMES,
    ));
    for status in ["502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout"] {
        let name = format!("answers {} with a page of HTML", &status[..3]);
        rows.push(Row::always(name.clone(), page(status), FAILED_THREE_TIMES));
        rows.push(Row::once(format!("{name}, once"), page(status), ANSWERED_AFTER_A_FAILURE));
        let dead = || Act::say(http(status, &[], r#"{"success":false,"code":"X003"}"#));
        let name = format!("answers {} with X003", &status[..3]);
        rows.push(Row::always(name.clone(), dead(), LOGIN_FAILED));
        rows.push(Row::once(format!("{name}, once"), dead(), ANSWERED_AFTER_A_LOGIN));
    }
    let unended = |body: &str| Bytes::from(format!("HTTP/1.1 503 Wait\r\ncontent-length: 900\r\n\r\n{body}"));
    let cut = Act::Write(unended("{\"succ"));
    let silent = Act::say(unended("{\"succ"));
    let long = Act::say(http("503 Wait", &[], format!("{{\"filler\":\"{}\"}}", "x".repeat(20 << 20))));
    rows.push(Row::always("answers 503 with a body that ends early", cut, FAILED_THREE_TIMES));
    rows.push(Row::always("answers 503 with a body that never ends", silent, FAILED_THREE_TIMES));
    rows.push(Row::always("answers 503 with 20 MiB", long, FAILED_THREE_TIMES));
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let body = r#"{"success":true}"#;
        let act = Act::say(http(status, &[&format!("location: {elsewhere}")], body));
        rows.push(Row::always(format!("redirects elsewhere with {}", &status[..3]), act, INVALID));
    }
    rows
}

#[tokio::test]
async fn a_status_is_taken_at_its_word_and_no_redirect_is_followed() {
    let (listener, url) = elsewhere().await;
    live_through(rows(&url)).await;
    assert!(listener.accept().now_or_never().is_none(), "a redirect was followed");
}
