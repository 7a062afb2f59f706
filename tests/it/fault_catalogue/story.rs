//! One row, lived through.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use tokio::{net::TcpListener, task::yield_now};
use wesal_simulator::Credentials;

use super::{
    Row, Trouble,
    fate::{Calls, Kept, WithStale, takes_time},
};
use crate::harness::{Answer, FaultProxy, SALES, SUPPORT, Setup, World, secs};

pub const SUMMARY: &str = "/analytics/runtime/queues/summary";
/// Stands in every page of HTML that the vendor writes, and in its own words.
pub const CANARY: &str = "canary-in-the-vendors-words";
/// A queue that nobody asks for.
pub const FOREIGN: &str = "9363d889-1234-5678-9012-123456789012";
pub const CROWD: usize = 50;
/// Longer than all that is remembered of a failure.
const BEYOND: u64 = 100;

/// Lives through all rows, each in a world of its own; what one fails of is told after the others.
pub async fn live_through(rows: Vec<Row>) {
    let mut failed = Vec::new();
    for row in rows {
        let name = row.name.clone();
        if tokio::spawn(async { Story::begin(row).await.tell().await }).await.is_err() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

struct Story {
    row: Row,
    world: World,
    proxy: FaultProxy,
    /// Of a caller that may ask what is held.
    peeker: String,
    situation: &'static str,
}

pub fn queues() -> String {
    format!(r#"{{"queues": ["{SALES}", "{SUPPORT}"]}}"#)
}

/// Nothing in an answer tells the gateway's secrets, nor the vendor's pages, nor what was for others.
pub fn tells_no_secret(answer: &Answer, token: &str, situation: &str) {
    let Credentials { client_id, email, password } = Credentials::default();
    let told = format!("{}{}", answer.head(), String::from_utf8_lossy(&answer.body));
    for secret in [client_id.as_str(), &email, &password, token, CANARY, FOREIGN, "<html"] {
        assert!(secret.is_empty() || !told.contains(secret), "{situation}: {secret} in {told}");
    }
}

impl Story {
    async fn begin(row: Row) -> Self {
        let mut setup = Setup::default();
        setup.config.limits.max_in_flight = CROWD.try_into().unwrap();
        let peeker = setup.caller("peeker", |caller| caller.may_refresh());
        setup.proxy = Some(FaultProxy::new().await);
        let mut world = setup.start().await;
        let proxy = world.proxy.take().unwrap();
        world.logged_in().await;
        let story = Self { row, world, proxy, peeker, situation: "" };
        // A token that is refused while it is new is a story of its own.
        story.later(10).await;
        story
    }

    async fn tell(mut self) {
        self.situation = "with nothing held";
        self.trouble().await;
        let answer = self.asked(self.row.fate.calls).await;
        self.is_told(&answer);
        self.is_kept().await;
        self.recover().await;

        self.situation = "with a fresh answer held";
        self.trouble().await;
        let hit = self.asked(&[]).await.ok();
        assert_eq!(hit.header("cache-status"), "wesal-gateway; hit; ttl=3", "{}", self.at());

        self.situation = "with a stale answer held";
        self.later(12).await;
        let answer = self.asked(self.row.fate.calls).await;
        match self.row.fate.with_stale {
            WithStale::OldAnswer => {
                let status = answer.header("cache-status");
                assert!(status.starts_with("wesal-gateway; fwd=stale; ttl=-"), "{}: {answer:?}", self.at());
                assert!(status.ends_with("; detail=stale-if-error"), "{}: {answer:?}", self.at());
                assert_eq!(answer.body, hit.body, "{}", self.at());
            }
            WithStale::Refusal => self.is_told(&answer),
            WithStale::NewAnswer => {
                self.is_told(&answer);
                let status = answer.header("cache-status");
                assert!(status.contains("; stored") && !status.contains("stale-if-error"), "{}: {status}", self.at());
            }
        }
        self.recover().await;
        if !self.row.by_a_crowd {
            return;
        }

        self.situation = "with a crowd and nothing held";
        self.later(BEYOND).await;
        self.proxy.hold();
        let asked: Vec<_> = (0..CROWD).map(|_| self.world.begin_post(SUMMARY, &queues())).collect();
        self.world.is_full().await;
        // Before the trouble, which the calls that wait at the proxy may meet at once.
        let before = self.before().await;
        self.trouble().await;
        self.proxy.release();
        let answers = self.counted_since(before, self.row.fate.calls, join_all(asked)).await;
        answers.into_iter().for_each(|answer| self.is_told(&answer.unwrap()));
        self.recover().await;
    }

    fn at(&self) -> String {
        format!("{} {}", self.row.name, self.situation)
    }

    async fn later(&self, seconds: u64) {
        self.world.advance(secs(seconds));
        // Who was to wake up has done what it was to do.
        for _ in 0..50 {
            yield_now().await;
        }
    }

    async fn trouble(&mut self) {
        match &self.row.trouble {
            Trouble::Always(act) => self.proxy.always("summary", act.clone()),
            Trouble::Once(act) => self.proxy.next("summary", [act.clone()]),
            Trouble::Refused => self.proxy.refuse().await,
        }
    }

    /// The trouble ends, and after all waits nothing of it is left.
    async fn recover(&mut self) {
        self.proxy.mend().await;
        self.later(BEYOND).await;
        let calls: Calls = &[("ok", 1)];
        self.situation = "after the trouble";
        let next = self.asked(calls).await.ok();
        assert_eq!(next.header("cache-status"), "wesal-gateway; fwd=uri-miss; ttl=3; stored", "{}", self.at());
        let json = next.json();
        let ids: Vec<_> = json["data"]["result"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect();
        assert_eq!(ids, [SALES, SUPPORT], "{}", self.at());
        assert!(self.row.shows.is_empty() || !next.text().contains(self.row.shows), "{}", self.at());
    }

    /// Asks, and sees that it costs these calls.
    async fn asked(&self, calls: Calls) -> Answer {
        let answer = self.counted(calls, self.world.post(SUMMARY, &queues())).await;
        tells_no_secret(&answer, &self.proxy.token(), &self.at());
        answer
    }

    async fn counted<T>(&self, calls: Calls, work: impl Future<Output = T>) -> T {
        let before = self.before().await;
        self.counted_since(before, calls, work).await
    }

    /// The calls so far that came to the proxy, and that ended, by outcome.
    async fn before(&self) -> (u64, BTreeMap<String, u64>) {
        (self.proxy.calls("summary"), self.outcomes().await)
    }

    async fn counted_since<T>(
        &self,
        (arrived, counted): (u64, BTreeMap<String, u64>),
        calls: Calls,
        work: impl Future<Output = T>,
    ) -> T {
        let done = self.while_time_passes(takes_time(calls), work).await;
        let mut more = self.outcomes().await;
        more.iter_mut().for_each(|(outcome, count)| *count -= counted.get(outcome).copied().unwrap_or_default());
        more.retain(|_, count| *count > 0);
        let calls: BTreeMap<_, _> = calls.iter().map(|(outcome, count)| ((*outcome).to_owned(), *count)).collect();
        assert_eq!(more, calls, "{}", self.at());
        let refused = matches!(self.row.trouble, Trouble::Refused) && more.contains_key("unreachable");
        let reach = if refused { 0 } else { calls.values().sum() };
        // A call of the crowd's may wait at the proxy before this is counted.
        let arrived = self.proxy.calls("summary") - arrived;
        assert!(arrived == reach || self.situation.contains("crowd"), "{}: {arrived} calls arrived", self.at());
        done
    }

    /// Does `work`. Time passes at once if the row needs it, and else only when nothing else has moved for long: then
    /// the row is wrong, and fails instead of waiting for ever.
    async fn while_time_passes<T>(&self, at_once: bool, work: impl Future<Output = T>) -> T {
        const LONG: u32 = 5000;
        let mut turns = if at_once { LONG } else { 0 };
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = yield_now() => turns += 1,
            }
            if turns > LONG {
                self.world.advance(Duration::from_millis(20));
            }
        }
    }

    /// The calls of the route by how the metrics count them.
    async fn outcomes(&self) -> BTreeMap<String, u64> {
        let told = self.world.get_admin("/metrics").await;
        let name = format!("wesal_gateway_vendor_calls_total{{route=\"{SUMMARY}\",outcome=\"");
        let lines = told.text().lines().filter_map(|line| line.strip_prefix(&name)?.split_once("\"} "));
        lines.map(|(outcome, count)| (outcome.to_owned(), count.parse().unwrap())).collect()
    }

    fn is_told(&self, answer: &Answer) {
        let fate = &self.row.fate;
        tells_no_secret(answer, &self.proxy.token(), &self.at());
        assert_eq!(answer.status, fate.status, "{}: {}", self.at(), String::from_utf8_lossy(&answer.body));
        assert!(answer.text().contains(self.row.shows), "{}: {}", self.at(), answer.text());
        if fate.code.is_empty() {
            return;
        }
        assert_eq!(answer.problem(), fate.code, "{}", self.at());
        assert_eq!(answer.json()["wesalCode"].as_str(), fate.wesal_code, "{}", self.at());
        assert_eq!(answer.header("retry-after").is_empty(), fate.status != 503, "{}", self.at());
        if let Some(seconds) = fate.retry_after {
            let told: u64 = answer.header("retry-after").parse().unwrap();
            assert!((seconds.saturating_sub(3)..=seconds).contains(&told), "{}: {told}", self.at());
        }
    }

    /// What is held right after is what the row says.
    async fn is_kept(&self) {
        let request = self.world.request("POST", SUMMARY).header("authorization", &self.peeker);
        let request = request.header("content-type", "application/json").header("cache-control", "only-if-cached");
        let held = self.world.send(request.body(queues())).await;
        let fate = &self.row.fate;
        let expected = match fate.kept {
            Kept::Nothing => (504, "only_if_cached"),
            Kept::Refusal => (fate.status, fate.code),
            Kept::Answer | Kept::Absence => (200, ""),
        };
        let code = if held.status == 200 { String::new() } else { held.problem() };
        assert_eq!((held.status, code.as_str()), expected, "{}", self.at());
        if held.status == 200 {
            assert!(held.header("cache-status").contains("; hit"), "{}: {held:?}", self.at());
        }
    }
}

/// A place to which the vendor may redirect, and where nobody may come.
pub async fn elsewhere() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api/v1{SUMMARY}", listener.local_addr().unwrap());
    (listener, url)
}
