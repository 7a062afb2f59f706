//! Whatever callers make up, the number of metrics' series has a bound that follows from the configuration and the code.

use std::collections::BTreeSet;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use wesal_gateway::{auth::AuthFailure, model::Route};

use crate::harness::{SALES, Setup, World};

const REQUESTS: usize = 100_000;
/// Requests that are sent at once on one connection.
const PIPELINED: usize = 500;

/// The same numbers each time (xorshift64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 8).unwrap() % most
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn word(&mut self) -> String {
        let letters = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
        (0..=self.below(24)).map(|_| char::from(letters[self.below(letters.len())])).collect()
    }

    fn path(&mut self) -> (String, &'static str) {
        if self.one_in(3) {
            return (format!("/{}/{}?{}={}", self.word(), self.word(), self.word(), self.word()), "GET");
        }
        let route = Route::ALL[self.below(Route::ALL.len())];
        let company = if self.one_in(2) { self.word() } else { "100301".to_owned() };
        let path = route.template().replace("{companyId}", &company);
        let query = if self.one_in(4) { format!("?{}={}", self.word(), self.word()) } else { String::new() };
        (format!("/api/v1{path}{query}"), if route.is_gotten() { "GET" } else { "POST" })
    }

    fn body(&mut self) -> String {
        let (word, other) = (self.word(), self.word());
        match self.below(6) {
            0 => format!(r#"{{"queues": ["{SALES}", "{word}"]}}"#),
            1 => format!(r#"{{"queues": ["{SALES}"]}}"#),
            2 => format!(r#"{{"companyId": 100301, "filters": [{{"dimension": "{word}", "value": "{other}"}}]}}"#),
            3 => format!(r#"{{"email": "{word}", "password": "{other}"}}"#),
            4 => format!(r#"{{"{word}": "{other}"}}"#),
            _ => word,
        }
    }

    /// A request's bytes, nearly all of which are made up.
    fn request(&mut self, key: &str, last: bool) -> String {
        let (path, method) = self.path();
        let method = if self.one_in(4) { format!("X{}", self.word().to_uppercase()) } else { method.to_owned() };
        let credential = match self.below(5) {
            0 | 1 => format!("Authorization: {key}\r\n"),
            2 => format!("Authorization: Bearer wgw_{}\r\n", self.word()),
            3 => format!("X-Api-Key: {}\r\n", self.word()),
            _ => String::new(),
        };
        let body = if method == "POST" { self.body() } else { String::new() };
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let kind = if self.one_in(8) { self.word() } else { "application/json".to_owned() };
        let close = if last { "Connection: close\r\n" } else { "" };
        format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {}\r\nX-{}: {}\r\nX-Request-Id: {}\r\n\
             Content-Type: {kind}\r\n{credential}{length}{close}\r\n{body}",
            self.word(),
            self.word(),
            self.word(),
            self.word(),
            self.word(),
        )
    }
}

/// Sends so many, many at once on each connection, and gives how many were answered.
async fn flood(world: &World, numbers: &mut Numbers, requests: usize) -> usize {
    let mut answered = 0;
    while answered < requests {
        let requests: Vec<_> = (1..=PIPELINED).map(|n| numbers.request(world.key(), n == PIPELINED)).collect();
        let (mut reading, mut writing) = TcpStream::connect(world.address).await.unwrap().into_split();
        let mut answers = Vec::new();
        // A connection may be closed early, after a body that nobody read: what comes then is not sent again.
        let all = requests.concat();
        let (_, read) = tokio::join!(writing.write_all(all.as_bytes()), reading.read_to_end(&mut answers));
        let answers = String::from_utf8_lossy(&answers);
        let some = answers.matches("HTTP/1.1 ").count();
        assert!(some > 0, "{read:?} {answers}");
        answered += some;
    }
    answered
}

/// Each series, without its value.
async fn series(world: &World) -> BTreeSet<String> {
    let told = world.get_admin("/metrics").await;
    let samples = told.text().lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

/// What stands in a label of all series.
fn values<'s>(series: &'s BTreeSet<String>, label: &str) -> BTreeSet<&'s str> {
    let label = format!("{label}=\"");
    series.iter().filter_map(|one| Some(one.split_once(&label)?.1.split_once('"')?.0)).collect()
}

#[tokio::test]
async fn a_hundred_thousand_made_up_requests_make_no_series_that_is_not_of_the_configuration() {
    let mut setup = Setup::default();
    setup.caller("silent", |_| {});
    let world = setup.start().await;
    world.logged_in().await;
    let mut numbers = Numbers(0x4711_4711_4711);
    assert!(flood(&world, &mut numbers, REQUESTS).await >= REQUESTS);
    let before = series(&world).await;

    let within = |label: &str, all: &[&str]| {
        let values = values(&before, label);
        assert!(values.iter().all(|value| all.contains(value)), "{label}: {values:?}");
        values.len()
    };
    let routes: Vec<_> = Route::ALL.map(Route::template).into_iter().chain(["other", "/livez", "/readyz"]).collect();
    let statuses = ["200", "400", "401", "403", "404", "405", "413", "415", "422", "429", "502", "503", "504"];
    let caches = ["hit", "stale", "miss", "partial", "none"];
    assert_eq!(within("caller", &["app", "silent", "-"]), 2, "who never asked costs nothing");
    assert!(within("route", &routes) > 10 && within("status", &statuses) > 5 && within("cache", &caches) > 2);
    within(
        "outcome",
        &["ok", "rejected", "failed", "good", "refused", "superseded", "invalid_response", "unreachable", "timeout"],
    );
    let reasons = AuthFailure::ALL.map(AuthFailure::as_str).into_iter().chain(["admin_token"]);
    within("reason", &reasons.collect::<Vec<_>>());
    let requests = before.iter().filter(|one| one.starts_with("wesal_gateway_requests_total{")).count();
    assert!(requests <= 3 * routes.len() * statuses.len() * caches.len());
    // Buckets, sum and count of 15 bounds and the infinite one; of 12. Then what is counted by route alone.
    let by_route = routes.len() * (caches.len() * (15 + 3) + 12 + 3 + 7 + 1 + 5 + 1);
    let bound = requests + by_route + 64;
    assert!(before.len() <= bound, "{} series, {bound} at most", before.len());

    flood(&world, &mut numbers, REQUESTS / 5).await;
    let after = series(&world).await;
    assert_eq!(after.difference(&before).collect::<Vec<_>>(), Vec::<&String>::new());

    let status = world.get_admin("/admin/status").await;
    let told = status.json();
    assert!(told["recentErrors"].as_array().unwrap().len() <= 50);
    assert!(told["hotQueues"]["worst"].as_array().unwrap().len() <= 100);
    assert!(status.body.len() < 64 * 1024, "{} bytes", status.body.len());
}
