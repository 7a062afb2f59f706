//! What wallboards cost the vendor, and what they wait: callers that each watch a random 5 to 20 of 100 queues, summary
//! and activity once a second, with `ttl` 3 s and a vendor that takes 120 ms. `cargo bench --bench wallboards`, or with a
//! number of callers: `cargo bench --bench wallboards -- 5000`. All in one process, over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods
)]

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Barrier, Mutex},
    task::JoinSet,
};
use wesal_gateway::{
    auth::ApiKey,
    clock::SystemClock,
    config::{CallerConfig, Config, KeyHash, RateLimit, Secret},
    model::{CallerName, Scope},
    server::{Bound, Gateway},
};
use wesal_simulator::{Latency, Options, Simulator};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const LATENCY: Duration = Duration::from_millis(120);
const TTL: Duration = Duration::from_secs(3);
const WARM: Duration = Duration::from_secs(10);
const MEASURED: Duration = Duration::from_secs(30);
const ROUTES: [(&str, &str); 2] =
    [("summary", "/analytics/runtime/queues/summary"), ("activity", "/analytics/runtime/queues/activity")];

fn main() {
    let given: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if given.is_empty() { vec![200] } else { given };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for callers in sizes {
            watch(callers).await;
        }
        stampede(500).await;
    });
    runtime.shutdown_background();
}

struct World {
    vendor: Simulator,
    gateway: SocketAddr,
    key: String,
}

async fn world() -> World {
    let latency = Latency { base: LATENCY, jitter: Duration::ZERO };
    let vendor = Simulator::new(Options { latency, ..Options::default() });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let credentials = vendor.credentials();
    let key = ApiKey::generate().unwrap();
    let mut config = Config::default();
    config.server.listen = "127.0.0.1:0".parse().unwrap();
    config.admin.listen = None;
    config.upstream.base_url = format!("http://{}/api/v1", listener.local_addr().unwrap());
    config.upstream.client_id = Secret::new(&credentials.client_id);
    config.upstream.email = Secret::new(&credentials.email);
    config.upstream.password = Secret::new(&credentials.password);
    config.cache.queue_summary.ttl = TTL;
    config.cache.queue_activity.ttl = TTL;
    config.limits.max_in_flight = 100_000.try_into().unwrap();
    config.server.max_connections = 100_000.try_into().unwrap();
    let second = Duration::from_secs(1);
    let million = 1_000_000.try_into().unwrap();
    config.limits.default = RateLimit { requests: million, per: second, burst: None };
    config.callers = vec![CallerConfig {
        name: CallerName::try_from("wallboards".to_owned()).unwrap(),
        key_hashes: vec![KeyHash::new(key.hash())],
        scopes: vec![Scope::Queues],
        companies: None,
        queues: None,
        rate_limit: None,
        expires: None,
        enabled: true,
        may_refresh: false,
        login: None,
    }];
    let bound = Bound::bind(&config).await.unwrap();
    let gateway = bound.public_address().unwrap();
    tokio::spawn(Gateway::new(&config, SystemClock::shared()).unwrap().serve(bound, std::future::pending()));
    tokio::spawn(vendor.clone().serve(listener, std::future::pending()));
    World { vendor, gateway, key: key.expose().to_owned() }
}

/// A keep-alive connection that does no more than it must: the load must not cost more than the server.
struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::with_capacity(32 * 1024) }
    }

    async fn send(&mut self, request: &[u8]) -> Duration {
        let began = Instant::now();
        self.stream.write_all(request).await.unwrap();
        self.buffer.clear();
        loop {
            assert!(self.stream.read_buf(&mut self.buffer).await.unwrap() > 0, "the gateway hung up");
            let Some(head) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
            let text = std::str::from_utf8(&self.buffer[..head]).unwrap();
            assert!(text.starts_with("HTTP/1.1 200"), "{text}");
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if self.buffer.len() >= head + 4 + length.parse::<usize>().unwrap() {
                return began.elapsed();
            }
        }
    }
}

fn request(path: &str, key: &str, queues: &[&String]) -> Vec<u8> {
    let body = serde_json::json!({ "queues": queues }).to_string();
    let length = body.len();
    format!(
        "POST /api/v1{path} HTTP/1.1\r\nhost: gateway\r\nauthorization: {key}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// A small generator of its own: the same sets each run.
fn random(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*state >> 33).unwrap()
}

async fn watch(callers: usize) {
    let world = world().await;
    let all = world.vendor.queue_ids();
    let start = Instant::now();
    let waits = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = JoinSet::new();
    let mut state = 7;
    for _ in 0..callers {
        let mut set: Vec<&String> = all.iter().collect();
        for i in 0..set.len() {
            let j = i + random(&mut state) % (set.len() - i);
            set.swap(i, j);
        }
        set.truncate(5 + random(&mut state) % 16);
        let requests = ROUTES.map(|(_, path)| request(path, &world.key, &set));
        let phase = Duration::from_millis(u64::try_from(random(&mut state) % 1000).unwrap());
        let (waits, address) = (Arc::clone(&waits), world.gateway);
        tasks.spawn(async move {
            let mut client = Client::connect(address).await;
            let mut own = Vec::new();
            let mut next = start + phase;
            while next < start + WARM + MEASURED {
                tokio::time::sleep_until(next.into()).await;
                for request in &requests {
                    let wait = client.send(request).await;
                    if next >= start + WARM {
                        own.push(wait);
                    }
                }
                next += Duration::from_secs(1);
            }
            waits.lock().await.extend(own);
        });
    }
    tokio::time::sleep_until((start + WARM).into()).await;
    let before = ROUTES.map(|(route, _)| world.vendor.stats().calls(route));
    tokio::time::sleep_until((start + WARM + MEASURED).into()).await;
    let after = ROUTES.map(|(route, _)| world.vendor.stats().calls(route));
    while tasks.join_next().await.is_some() {}

    let calls: u64 = after.iter().sum::<u64>() - before.iter().sum::<u64>();
    let least = MEASURED.as_secs_f64() / TTL.as_secs_f64() * 2.0;
    let by_body = least * f64::from(u32::try_from(callers).unwrap());
    let mut waits = Arc::try_unwrap(waits).unwrap().into_inner();
    waits.sort_unstable();
    let at = |share: f64| {
        let last = waits.len() - 1;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let i = (last as f64 * share) as usize;
        waits[i].as_secs_f64() * 1000.0
    };
    println!(
        "{callers} callers, {} answers in {} s: {calls} vendor calls, {:.2} times the least possible ({least:.0}); a cache \
         by body would make about {by_body:.0}",
        waits.len(),
        MEASURED.as_secs(),
        calls as f64 / least
    );
    println!("  callers wait p50 {:.2} ms, p99 {:.2} ms, longest {:.2} ms", at(0.5), at(0.99), at(1.0));
}

/// Everybody at once on one query that nobody has asked before.
async fn stampede(callers: usize) {
    let world = world().await;
    let all = world.vendor.queue_ids();
    let request = Arc::new(request(ROUTES[0].1, &world.key, &all.iter().take(20).collect::<Vec<_>>()));
    // The login, and a connection to the vendor, are there before.
    Client::connect(world.gateway).await.send(&self::request(ROUTES[1].1, &world.key, &[&all[0]])).await;
    let barrier = Arc::new(Barrier::new(callers));
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let (request, barrier, address) = (Arc::clone(&request), Arc::clone(&barrier), world.gateway);
        tasks.spawn(async move {
            let mut client = Client::connect(address).await;
            barrier.wait().await;
            client.send(&request).await
        });
    }
    let waits = tasks.join_all().await;
    let longest = waits.iter().max().unwrap().as_secs_f64() * 1000.0;
    println!(
        "{callers} callers at once on a cold query: {} vendor call(s) of {} ms; the slowest answer after {longest:.0} ms",
        world.vendor.stats().calls("summary"),
        LATENCY.as_millis()
    );
}
