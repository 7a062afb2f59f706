//! The service login. Nobody's request is made without it, so what goes wrong here is told to all.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use jiff::SignedDuration;
use tokio::task::yield_now;
use wesal_simulator::Credentials;

use super::{
    page,
    statuses::page as html,
    story::{CROWD, SUMMARY, queues, tells_no_secret},
};
use crate::harness::{Act, Answer, FaultProxy, Setup, World, http, secs};

/// One thing that the vendor does to logins, and what callers are told.
pub struct Row {
    name: &'static str,
    act: Option<Act>,
    status: u16,
    code: &'static str,
    /// The first wait, in seconds, before the next login.
    wait: u64,
}

fn failing(name: &'static str, act: Act, status: u16, code: &'static str, wait: u64) -> Row {
    Row { name, act: Some(act), status, code, wait }
}

impl Row {
    /// Its line on the page.
    pub fn line(&self) -> String {
        let told = page::told(self.status, self.code);
        let with_stale = if self.act.is_some() { "the old answer" } else { "nothing was ever got" };
        format!("| {} | {told} | {with_stale} | after {} s |", self.name, self.wait)
    }
}

/// A login's answer, with what a login was asked with in it.
fn says(status: &'static str, headers: &'static [&'static str], told: &str) -> Act {
    let Credentials { client_id, email, password } = Credentials::default();
    let told = told.to_owned();
    Act::say(http(status, headers, told.replace("{all}", &format!("X001: {email} {password} {client_id}"))))
}

pub fn rows() -> Vec<Row> {
    const REFUSED: &str = "upstream_login_failed";
    const ERROR: &str = "upstream_error";
    const INVALID: &str = "upstream_invalid_response";
    let no = r#"{"success":false,"message":"{all}"}"#;
    let cut = Bytes::from("HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{\"data\":");
    let locked = Act::Write(Bytes::from("HTTP/1.1 423 Locked\r\ncontent-length: 900\r\n\r\n{\"mess"));
    let injected = r#"{"success":true,"data":{"access_token":"a\r\nx-more: b"}}"#;
    vec![
        Row { name: "has no address by its name", act: None, status: 502, code: "upstream_unreachable", wait: 1 },
        failing("refuses it with 401", says("401 Unauthorized", &[], no), 503, REFUSED, 30),
        failing("refuses it with 403 and a page of HTML", html("403 Forbidden"), 503, REFUSED, 30),
        failing("refuses it with 200 and `success: false`", says("200 OK", &[], no), 503, REFUSED, 30),
        failing(
            "answers it with 429 and `Retry-After: 7`",
            says("429 Wait", &["retry-after: 7"], no),
            503,
            "upstream_rate_limited",
            7,
        ),
        failing("refuses it with 200 and a code alone", says("200 OK", &[], r#"{"code":"X001"}"#), 503, REFUSED, 30),
        failing("refuses it with 200 and words alone", says("200 OK", &[], r#"{"error":"no"}"#), 503, REFUSED, 30),
        failing("refuses it with 500 and a code", says("500 Error", &[], no), 503, REFUSED, 30),
        failing("refuses it with 503 and a code", says("503 Busy", &[], no), 503, REFUSED, 30),
        failing("refuses it with 302 and a code", says("302 Found", &[], no), 503, REFUSED, 30),
        failing("refuses it with 409 and words alone", says("409 No", &[], r#"{"message":"no"}"#), 503, REFUSED, 30),
        failing("refuses it with 423 and a page of HTML", html("423 Locked"), 503, REFUSED, 30),
        failing("refuses it with 423 and a body that ends early", locked, 503, REFUSED, 30),
        failing("answers it with 408 and words alone", says("408 Late", &[], r#"{"message":"no"}"#), 502, ERROR, 1),
        failing("answers it with 500", says("500 Error", &[], r#"{"success":false}"#), 502, ERROR, 1),
        failing("answers it with 404 and a page of HTML", html("404 Not Found"), 502, ERROR, 1),
        failing("answers it with 503 and a page of HTML", html("503 Service Unavailable"), 502, ERROR, 1),
        failing(
            "answers it with 503 and `Retry-After: 7`",
            says("503 Busy", &["retry-after: 7"], "{}"),
            503,
            "upstream_rate_limited",
            7,
        ),
        failing("redirects it", says("302 Found", &["location: http://127.0.0.1:1/"], "{}"), 502, INVALID, 1),
        failing("answers it with a page of HTML", html("200 OK"), 502, INVALID, 1),
        failing("answers it with nothing", says("200 OK", &[], ""), 502, INVALID, 1),
        failing("answers it without a token", says("200 OK", &[], r#"{"success":true,"data":{}}"#), 503, REFUSED, 30),
        failing("answers it with a token that no header can carry", says("200 OK", &[], injected), 503, REFUSED, 30),
        failing("answers it with what is not HTTP", Act::Write(Bytes::from("220 mail\r\n\r\n")), 502, INVALID, 1),
        failing("resets its connection", Act::WriteAndReset(Bytes::new()), 502, "upstream_unreachable", 1),
        failing("cuts its answer off", Act::Write(cut), 502, "upstream_unreachable", 1),
        failing("takes it and says nothing", Act::Silence, 504, "upstream_timeout", 1),
        failing(
            "answers it a byte a second",
            Act::Drip(Bytes::from("HTTP/1.1 200 OK\r\n")),
            504,
            "upstream_timeout",
            1,
        ),
    ]
}

/// A world whose vendor is not asked yet, and what stands before it.
async fn world_with_proxy(mut setup: Setup) -> (World, FaultProxy) {
    setup.config.limits.max_in_flight = CROWD.try_into().unwrap();
    let proxy = FaultProxy::new().await;
    proxy.hold();
    setup.proxy = Some(proxy);
    let mut world = setup.start().await;
    let proxy = world.proxy.take().unwrap();
    (world, proxy)
}

async fn later(world: &World, by: Duration) {
    world.advance(by);
    for _ in 0..100 {
        yield_now().await;
    }
}

impl Row {
    fn is_told(&self, answer: &Answer, token: &str) {
        tells_no_secret(answer, token, self.name);
        assert_eq!((answer.status, answer.problem().as_str()), (self.status, self.code), "{}", self.name);
        assert_eq!(answer.header("retry-after").is_empty(), self.status != 503, "{}", self.name);
    }

    /// Nothing is held, and a crowd comes while the first login is under way.
    async fn is_met_by_a_crowd(&self) {
        let mut setup = Setup::default();
        let act = self.act.clone();
        if act.is_none() {
            // Longer than a name may be (RFC 1035, section 2.3.4), so that nobody is even asked for it.
            setup.base_url = Some(format!("http://{}.invalid/api/v1", "x".repeat(64)));
        }
        let (world, mut proxy) = world_with_proxy(setup).await;
        let reachable = act.is_some();
        act.into_iter().for_each(|act| proxy.always("login", act));
        let asked: Vec<_> = (0..CROWD).map(|_| world.begin_post(SUMMARY, &queues())).collect();
        if reachable {
            world.is_full().await;
        }
        proxy.release();
        if self.status == 504 {
            later(&world, secs(10)).await;
        }
        for answer in join_all(asked).await {
            self.is_told(&answer.unwrap(), "");
        }
        if !reachable {
            assert_eq!(proxy.connections(), 0);
            return;
        }
        let calls = |proxy: &FaultProxy| (proxy.calls("login"), proxy.calls("summary"));
        assert_eq!(calls(&proxy), (1, 0), "{}", self.name);

        later(&world, secs(self.wait) - Duration::from_millis(1)).await;
        self.is_told(&world.post(SUMMARY, &queues()).await, "");
        assert_eq!(calls(&proxy), (1, 0), "{}: a millisecond too soon", self.name);
        world.advance(Duration::from_millis(1));
        proxy.arrived("login", 2).await;

        proxy.mend().await;
        // A login that hangs ends, and then the longest of the second waits.
        later(&world, secs(10)).await;
        later(&world, secs(60)).await;
        world.logged_in().await;
        let next = world.post(SUMMARY, &queues()).await.ok();
        assert_eq!(next.header("cache-status"), "wesal-gateway; fwd=uri-miss; ttl=3; stored", "{}", self.name);
        assert_eq!(calls(&proxy), (3, 1), "{}", self.name);
    }

    /// Something is held when the token dies.
    async fn is_met_with_answers_held(&self) {
        let Some(act) = self.act.clone() else { return };
        let (world, mut proxy) = world_with_proxy(Setup::default()).await;
        proxy.release();
        world.logged_in().await;
        later(&world, secs(10)).await;
        let held = world.post(SUMMARY, &queues()).await.ok();
        let token = proxy.token();
        world.vendor.expire_tokens();
        proxy.always("login", act);
        let hit = world.post(SUMMARY, &queues()).await.ok();
        assert_eq!(hit.header("cache-status"), "wesal-gateway; hit; ttl=3", "{}", self.name);
        assert_eq!((proxy.calls("login"), proxy.calls("summary")), (1, 1), "{}", self.name);

        later(&world, secs(12)).await;
        let asked = world.begin_post(SUMMARY, &queues());
        proxy.arrived("login", 2).await;
        if self.status == 504 {
            later(&world, secs(10)).await;
        }
        let stale = asked.await.unwrap().ok();
        tells_no_secret(&stale, &token, self.name);
        assert!(stale.header("cache-status").ends_with("; detail=stale-if-error"), "{}: {stale:?}", self.name);
        assert_eq!(stale.body, held.body, "{}", self.name);
        assert_eq!((proxy.calls("login"), proxy.calls("summary")), (2, 2), "{}", self.name);
        proxy.mend().await;
        later(&world, secs(60)).await;
        world.logged_in().await;
        let next = world.post(SUMMARY, &queues()).await.ok();
        assert_eq!(next.header("cache-status"), "wesal-gateway; fwd=uri-miss; ttl=3; stored", "{}", self.name);
    }
}

#[tokio::test]
async fn a_login_that_goes_wrong_is_one_call_whoever_asks_and_is_told_to_all() {
    for row in rows() {
        row.is_met_by_a_crowd().await;
    }
}

#[tokio::test]
async fn while_no_login_succeeds_what_is_held_stands_in() {
    for row in rows() {
        row.is_met_with_answers_held().await;
    }
}

#[tokio::test]
async fn a_clock_that_is_an_hour_off_costs_no_login_and_no_answer() {
    for hours in [-1, 1] {
        let mut setup = Setup::default();
        setup.vendor.token_ttl = Some(secs(100));
        setup.vendor_clock_off = SignedDuration::from_hours(hours);
        let world = setup.start().await;
        world.logged_in().await;
        for second in 0..400 {
            if second % 4 == 0 {
                world.post(SUMMARY, &queues()).await.ok();
            }
            world.advance(secs(1));
            yield_now().await;
        }
        later(&world, Duration::ZERO).await;
        // At 0, 80, 160, 240, 320 and 400 seconds.
        assert_eq!(world.logins(), (6, 0), "{hours} h");
        let dead = format!("vendor_calls_total{{route=\"{SUMMARY}\",outcome=\"token_dead\"}}");
        assert_eq!(world.metric(&dead).await, 0.0, "{hours} h");
    }
}

#[tokio::test]
async fn a_token_that_dies_in_the_middle_of_a_crowd_is_replaced_once_and_unseen() {
    let (world, proxy) = world_with_proxy(Setup::default()).await;
    proxy.release();
    world.logged_in().await;
    later(&world, secs(10)).await;
    let vendor = world.vendor.clone();
    let the_end = Act::change(move |body| {
        vendor.expire_tokens();
        body
    });
    proxy.next("questions", (1..20).map(|_| Act::Pass).chain([the_end]));
    proxy.hold();
    let ask = |company| world.begin_get(&format!("/survey/queries/questions/{}", 100_301 + company % 5));
    let other = |company| world.begin_get(&format!("/survey/queries/questions/{company}"));
    let asked: Vec<_> = (0..5).map(ask).chain((1..46).map(other)).collect();
    world.is_full().await;
    proxy.release();
    for answer in join_all(asked).await {
        let answer = answer.unwrap();
        tells_no_secret(&answer, &proxy.token(), "a burst");
        // A company that Wesal does not know is refused; nobody is told of the token.
        assert!(matches!(answer.status, 200 | 400 | 404), "{answer:?}");
    }
    assert_eq!(world.logins(), (2, 0));
    let calls = proxy.calls("questions");
    assert!((51..=100).contains(&calls), "{calls} calls for 50 questions, each of which may be asked twice");
}
