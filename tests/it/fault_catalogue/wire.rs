//! The connection itself.

use bytes::Bytes;

use super::{Row, Trouble::Refused, fate::*, story::live_through};
use crate::harness::{Act, SALES, SUPPORT, http};

/// An answer to what the stories ask, made here.
pub fn good() -> String {
    let row = |id: &str| format!(r#"{{"success":true,"id":"{id}","made":"here"}}"#);
    format!(r#"{{"data":{{"success":true,"result":[{},{}]}},"success":true}}"#, row(SALES), row(SUPPORT))
}

fn said(head: &str, body: &str) -> Bytes {
    Bytes::from(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}"))
}

fn chunked(body: &str) -> String {
    format!("{:x}\r\n{body}\r\n", body.len())
}

/// All but the last quarter.
fn most(text: &str) -> &str {
    &text[..text.len() * 3 / 4]
}

pub fn rows() -> Vec<Row> {
    let good = good();
    let length = good.len();
    let whole = said(&format!("content-length: {length}"), &good);
    let cut = said(&format!("content-length: {length}"), most(&good));
    let cut_chunk = said("transfer-encoding: chunked", &chunked(most(&good)));
    let other_length = said(&format!("content-length: {length}\r\ncontent-length: {}", length - 1), &good);
    let both_lengths = said("content-length: 5\r\ntransfer-encoding: chunked", &format!("{}0\r\n\r\n", chunked(&good)));
    let headers = said(&format!("content-length: {length}{}", "\r\nx-more: 1".repeat(1000)), &good);
    let reset_in_head = || Act::WriteAndReset(whole.slice(..25));
    vec![
        Row::new("refuses the connection", Refused, UNREACHABLE),
        Row::always("takes the call and says nothing", Act::Silence, TIMEOUT),
        Row::always("answers a byte a second", Act::Drip(whole.clone()), TIMEOUT),
        Row::always("closes the connection without a word", Act::Write(Bytes::new()), UNREACHABLE),
        Row::always("resets the connection in the headers", reset_in_head(), UNREACHABLE),
        Row::once("resets the connection in the headers, once", reset_in_head(), ANSWERED_AFTER_A_CUT),
        Row::always("resets the connection in the body", Act::WriteAndReset(cut.clone()), UNREACHABLE),
        Row::always("ends the body before its `Content-Length`", Act::Write(cut.clone()), UNREACHABLE),
        Row::once("ends the body before its `Content-Length`, once", Act::Write(cut), ANSWERED_AFTER_A_CUT),
        Row::always("ends a chunked body before its last chunk", Act::Write(cut_chunk), UNREACHABLE),
        Row::always("gives two `Content-Length`s that differ", Act::Write(other_length), INVALID),
        Row::always("gives a `Content-Length` to a chunked body", Act::Write(both_lengths), ANSWERED).shows("here"),
        Row::always("says what is not HTTP", Act::Write(Bytes::from("SSH-2.0-OpenSSH_9.6\r\n\r\n")), INVALID),
        Row::always("sends a thousand headers", Act::Write(headers), INVALID),
    ]
}

#[tokio::test]
async fn a_broken_connection_is_tried_again_and_a_silent_one_timed_out() {
    live_through(rows()).await;
}

#[tokio::test]
async fn a_second_answer_that_nobody_asked_for_is_nobodys() {
    let mut setup = crate::harness::Setup::default();
    setup.proxy = Some(crate::harness::FaultProxy::new().await);
    let world = setup.start().await;
    world.logged_in().await;
    let proxy = world.proxy.as_ref().unwrap();
    let questions = |told: &str| format!(r#"{{"data":{{"questions":[{{"id":"{told}"}}]}},"success":true}}"#);
    let two = [http("200 OK", &[], questions("asked")), http("200 OK", &[], questions("unasked"))].concat();
    proxy.next("questions", [Act::say(two)]);
    assert!(world.get("/survey/queries/questions/100301").await.ok().text().contains("\"asked\""));
    for company in [100_302, 100_303] {
        let next = world.get(&format!("/survey/queries/questions/{company}")).await.ok();
        assert!(!next.text().contains("unasked"), "one question's answer was given to another");
    }
}
