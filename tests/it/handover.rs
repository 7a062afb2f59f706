//! One process after another at the same address, and nobody notices.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    task::JoinSet,
    time::Instant,
};
use wesal_gateway::server::{Bound, Drained};

use crate::harness::{Authority, Running, Setup, in_time, run, tls_files};

const RESTARTS: u32 = 20;
/// Requests at once: about half of them may wait for a second, where the kernel sends their first packet again.
const AT_ONCE: usize = 200;
/// Clients who keep their connections.
const KEPT: usize = 50;
/// Requests between two restarts, at least.
const BETWEEN: u64 = 50;
/// Requests that have to be sent again though they came soon, at most: as many as a pause of the whole machine at one
/// restart makes so.
const MOST_TOO_LATE: u64 = KEPT as u64;
/// A process that is to end waits so long for a request that may be on its way (docs/operating.md). A client whom the machine
/// keeps from sending it for longer sends it again.
const LAST_CALL: Duration = Duration::from_secs(1);
const ORGANIZATION: &str = "/api/v1/queries/organization";

/// What asks, as long as it is not over.
#[derive(Clone, Default)]
struct Load {
    over: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    /// Requests that came when their connection had just ended, and had to be sent again.
    too_late: Arc<AtomicU64>,
}

impl Load {
    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    fn note_answer(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection for each request.
    async fn ask_anew(self, address: SocketAddr, key: String) {
        let (room, mut asking) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
        while self.goes_on() {
            let place = Arc::clone(&room).acquire_owned().await.unwrap();
            let (load, key) = (self.clone(), key.clone());
            asking.spawn(async move {
                let answer = loop {
                    let began = Instant::now();
                    let mut stream = TcpStream::connect(address).await.unwrap();
                    match ask(&mut stream, &format!("{key}\r\nConnection: close"), began).await {
                        Ok((answer, _)) => break answer,
                        Err(waited) => assert!(waited > LAST_CALL, "a request was lost after {waited:?}"),
                    }
                };
                drop(place);
                assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
                load.note_answer();
            });
            while let Some(asked) = asking.try_join_next() {
                asked.unwrap();
            }
        }
        while let Some(asked) = asking.join_next().await {
            asked.unwrap();
        }
    }

    /// One request after the other, on one connection until the gateway says that it ends. A request that a connection which
    /// was kept ends under, before a byte of its answer, is sent again, as any HTTP client may (RFC 9110, section 9.2.2): here,
    /// one who was paused for longer than a kept connection is waited for.
    async fn ask_on(self, address: SocketAddr, key: String) {
        while self.goes_on() {
            let mut silent_since = Instant::now();
            let mut stream = TcpStream::connect(address).await.unwrap();
            let (mut kept, mut is_first) = (true, true);
            while kept && self.goes_on() {
                let began = Instant::now();
                match ask(&mut stream, &key, silent_since).await {
                    Ok((answer, closes)) => {
                        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
                        self.note_answer();
                        (kept, is_first, silent_since) = (!closes, false, began);
                    }
                    Err(waited) => {
                        if waited <= LAST_CALL {
                            assert!(!is_first, "a request was lost after {waited:?}");
                            self.too_late.fetch_add(1, Ordering::Relaxed);
                        }
                        kept = false;
                    }
                }
            }
        }
    }

    /// Over HTTP/2, as many at once as others do.
    async fn ask_over_http2(self, client: reqwest::Client, port: u16, key: String) {
        while self.goes_on() {
            let request = client.get(format!("https://localhost:{port}{ORGANIZATION}")).header("authorization", &key);
            let answer = request.send().await.unwrap_or_else(|error| panic!("a request was lost: {error:?}"));
            assert_eq!((answer.status().as_u16(), answer.version()), (200, reqwest::Version::HTTP_2));
            assert!(answer.text().await.unwrap().ends_with('}'));
            self.note_answer();
        }
    }
}

/// An answer, read to its end, and whether the connection ends with it. If that ends before a byte of the answer came: how
/// long the gateway had waited for the request at the most, if it had nothing to read since `silent_since`.
async fn ask(stream: &mut TcpStream, authorization: &str, silent_since: Instant) -> Result<(String, bool), Duration> {
    let head = format!("GET {ORGANIZATION} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {authorization}\r\n\r\n");
    let sent = stream.write_all(head.as_bytes()).await;
    let waited = silent_since.elapsed();
    sent.map_err(|_| waited)?;
    let mut answer = Vec::new();
    loop {
        let came = stream.read_buf(&mut answer).await;
        if answer.is_empty() {
            return Err(waited);
        }
        let text = String::from_utf8_lossy(&answer);
        assert!(matches!(came, Ok(1..)), "a request was lost: {came:?} after {text:?}");
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if body.len() == length.parse::<usize>().unwrap() {
            return Ok((text.to_string(), head.contains("connection: close")));
        }
    }
}

/// Restarts again and again while `begin` asks, at the address that it is given, with the key.
async fn restarts_lose_nothing(setup: Setup, begin: impl FnOnce(&Load, SocketAddr, &str) -> JoinSet<()>) {
    let world = setup.start().await;
    let mut config = world.config.clone();
    config.server.reuse_port = true;
    config.admin.listen = None;
    let mut running = run(&config, &world.clock, None).await;
    let address = running.address.unwrap();
    config.server.listen = address.into();

    let load = Load::default();
    let mut asking = begin(&load, address, world.key());
    for _ in 0..RESTARTS {
        let enough = load.answered.load(Ordering::Relaxed) + BETWEEN;
        let answered = async {
            while load.answered.load(Ordering::Relaxed) < enough {
                if let Some(ended) = asking.try_join_next() {
                    panic!("somebody ceased to ask: {ended:?}");
                }
                tokio::task::yield_now().await;
            }
        };
        in_time(answered).await;
        let next = run(&config, &world.clock, None).await;
        let Running { stop, task, .. } = std::mem::replace(&mut running, next);
        drop(stop);
        assert_eq!(in_time(task).await.unwrap(), Drained { cut_off: 0 });
    }
    load.over.store(true, Ordering::Relaxed);
    while let Some(asked) = in_time(asking.join_next()).await {
        asked.unwrap();
    }
    let too_late = load.too_late.load(Ordering::Relaxed);
    assert!(too_late <= MOST_TOO_LATE, "{too_late} requests had to be sent again");
    assert!(load.answered.load(Ordering::Relaxed) >= u64::from(RESTARTS) * BETWEEN);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_restarts_under_load_lose_no_request() {
    let begin = |load: &Load, address: SocketAddr, key: &str| {
        let mut asking = JoinSet::new();
        asking.spawn(load.clone().ask_anew(address, key.to_owned()));
        for _ in 0..KEPT {
            asking.spawn(load.clone().ask_on(address, key.to_owned()));
        }
        asking
    };
    restarts_lose_nothing(Setup::default(), begin).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_restarts_under_load_lose_no_request_over_http2() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    authority.write(folder.path());
    let mut setup = Setup::default();
    setup.config.server.tls = Some(tls_files(folder.path()));
    let begin = |load: &Load, address: SocketAddr, key: &str| {
        let mut asking = JoinSet::new();
        // Each client has a connection, on which several ask.
        for _ in 0..KEPT / 5 {
            let client = authority.client().build().unwrap();
            for _ in 0..5 {
                asking.spawn(load.clone().ask_over_http2(client.clone(), address.port(), key.to_owned()));
            }
        }
        asking
    };
    restarts_lose_nothing(setup, begin).await;
}

#[tokio::test]
async fn a_second_process_that_nobody_meant_is_refused_and_told_how_it_could_be_meant() {
    for (first, second) in [(false, false), (true, false), (false, true)] {
        let world = Setup::default().start().await;
        let mut config = world.config.clone();
        config.server.reuse_port = first;
        let bound = Bound::bind(&config).await.unwrap();
        config.server.listen = bound.public_address().unwrap().into();
        config.server.reuse_port = second;
        let refused = Bound::bind(&config).await.err().unwrap().to_string();
        assert!(refused.contains("server.listen") && refused.contains("server.reuse_port"), "{refused}");
    }
}

#[tokio::test]
async fn who_waits_in_the_queue_of_a_closing_listener_is_answered() {
    let mut setup = Setup::default();
    setup.config.server.max_connections = std::num::NonZeroUsize::MIN;
    let mut world = setup.start().await;
    world.logged_in().await;
    let vendor = world.vendor.block_requests("organization");
    let held = world.begin_get("/queries/organization");
    world.vendor.wait_for_requests("organization", 1).await;
    // No place is left: these are in the kernel's hands.
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: gateway\r\n\r\n").await.unwrap();
        waiting.push(stream);
    }
    let ended = world.tell_to_stop();
    for mut stream in waiting {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("connection: close"), "{answer}");
    }
    vendor.release();
    held.await.unwrap().ok();
    assert_eq!(ended.await.unwrap(), Drained { cut_off: 0 });
}
