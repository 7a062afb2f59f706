//! What honest callers notice of slow ones: 1,000 connections each whose headers, whose bodies and whose reading never come to an
//! end, and over TLS as many handshakes, are held against the gateway while `wrk` (Debian's package) measures what it
//! answers beside. `cargo bench --bench slow_clients`; it holds some 6,000 sockets, both ends counted, so see to `ulimit -n`.
//!
//! Honest callers come in two ways: as fast as they are answered (`wrk`), which tells what the slow ones cost the
//! gateway; and at a steady pace, as apps do, which tells whether anybody who asks is still answered.
//!
//! What the slow ones do for themselves is theirs, not the gateway's, but here they share its processors. So their thread
//! takes what the others leave (`nice` 19), and it is told too what honest callers are answered for the same work of the
//! gateway's: that is what is left where the slow ones have machines of their own. Where all are served that ask, this is no bound: it tells
//! what the gateway's most falls to. What must hold is that callers at their own pace lose nothing, and that each slow one is
//! cut off in time.
//!
//! Each round measures without and with, in turn, so that the machine's moods fall on both; quote the medians. The slow
//! ones say a little every second, as their kind does, and who was cut off comes again, so that all are there all the time.
//! The bounds are those that are shipped.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::disallowed_methods
)]

mod support;

use std::{
    fs,
    net::SocketAddr,
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use support::{Server, fetch, start_gateway, start_vendor};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    runtime::Runtime,
    sync::watch,
    task::JoinSet,
};
use wesal_gateway::auth::ApiKey;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const EACH: usize = 1000;
const ROUNDS: usize = 5;
const SECONDS: u64 = 8;
/// The steady ones: so many connections, and so many requests a second on each.
const STEADY: usize = 32;
const PACE: u32 = 50;
/// As shipped.
const HEADER_TIMEOUT: u64 = 5;
const BODY_TIMEOUT: u64 = 10;
/// Of a reader; looked for each `header_timeout`.
const IDLE_TIMEOUT: u64 = 75;
/// The bytes of a segment as they are between machines. With loopback's own, 64 KiB, the kernel takes megabytes of answers
/// for each connection before the gateway waits for the first.
const OF_A_NETWORK: u32 = 1460;
/// What honest callers at their own pace must keep.
const KEPT: f64 = 0.95;
/// How much later than its bound one may see that it was cut off: it looks every second, and has only a share of the machine.
const GRACE: f64 = 2.0;

/// A way to be slow.
#[derive(Clone)]
struct Way {
    what: &'static str,
    first: Vec<u8>,
    /// What is said every second.
    then: Vec<u8>,
    reads: bool,
    bound: u64,
}

fn ways(key: &ApiKey, path: &str) -> Vec<Way> {
    let key = key.expose();
    let head = format!("Host: g\r\nAuthorization: {key}\r\n");
    let get = format!("GET {path} HTTP/1.1\r\n{head}");
    let post = format!("POST /api/v1/analytics/runtime/queues/summary HTTP/1.1\r\n{head}");
    let body = "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"queues\"";
    vec![
        Way {
            what: "headers",
            first: get.clone().into_bytes(),
            then: b"X: y\r\n".to_vec(),
            reads: true,
            bound: HEADER_TIMEOUT,
        },
        Way {
            what: "bodies",
            first: (post + body).into_bytes(),
            then: b" ".to_vec(),
            reads: true,
            bound: BODY_TIMEOUT,
        },
        // More than the buffers between hold (`OF_A_NETWORK`), so that the gateway waits for it to be read.
        Way {
            what: "readers",
            first: format!("{get}\r\n").repeat(20).into_bytes(),
            then: b"G".to_vec(),
            reads: false,
            bound: IDLE_TIMEOUT + HEADER_TIMEOUT,
        },
    ]
}

/// A TLS handshake that was begun: a record's header that promises more than comes.
fn handshakes() -> Way {
    let first = vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    Way { what: "handshakes", first, then: vec![0], reads: true, bound: HEADER_TIMEOUT }
}

/// How long each lasted, in seconds, until it was cut off.
type Lasted = Arc<Mutex<Vec<f64>>>;

/// One who is slow, and who comes again when it was cut off.
async fn slow(address: SocketAddr, way: Way, lasted: Lasted, over: watch::Receiver<bool>) {
    while !*over.borrow() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket2::SockRef::from(&socket).set_tcp_mss(OF_A_NETWORK).unwrap();
        let Ok(mut stream) = socket.connect(address).await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let begun = Instant::now();
        let mut cut_off = stream.write_all(&way.first).await.is_err();
        let mut told = [0; 1024];
        while !cut_off {
            let second = tokio::time::sleep(Duration::from_secs(1));
            if way.reads {
                tokio::select! {
                    read = stream.read(&mut told) => cut_off = !matches!(read, Ok(1..)),
                    () = second => cut_off = stream.write_all(&way.then).await.is_err(),
                }
            } else {
                second.await;
                // Its end is that of its writing: the first word after a cut is answered with a reset.
                cut_off = stream.write_all(&way.then).await.is_err();
            }
            if *over.borrow() {
                return;
            }
        }
        lasted.lock().unwrap().push(begun.elapsed().as_secs_f64());
    }
}

/// What `wrk` is answered.
struct Load {
    /// Requests a second.
    rate: f64,
    /// Requests for each second of the processors' time that the gateway takes, whatever for.
    per_second_of_work: f64,
}

fn load(gateway: &Server, url: &str, key: &ApiKey) -> Load {
    let before = work_of(gateway);
    let wrk = Command::new("wrk")
        .args(["-t1", "-c32", &format!("-d{SECONDS}s"), "-H", &format!("Authorization: {}", key.expose()), url])
        .output()
        .expect("wrk must be installed: apt-get install wrk");
    let told = String::from_utf8_lossy(&wrk.stdout).into_owned();
    assert!(!told.contains("Non-2xx") && !told.contains("Socket errors"), "{told}");
    let rate = told.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
    let rate: f64 = rate.unwrap().trim().parse().unwrap();
    Load { rate, per_second_of_work: rate * SECONDS as f64 / (work_of(gateway) - before) }
}

/// The processors' time that a process has taken, in seconds: `utime` and `stime` of proc(5), in hundredths.
fn work_of(server: &Server) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", server.0.id())).unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let times = after_name.split_whitespace().skip(11).take(2);
    times.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

/// What came of a steady pace.
struct Steady {
    /// Of the requests that were due, how many were answered by the end.
    kept: f64,
    /// In milliseconds, counted from when each was due: who is kept waiting delays those that follow.
    p50: f64,
    p99: f64,
}

async fn steady(address: SocketAddr, request: Arc<Vec<u8>>) -> Steady {
    let end = Instant::now() + Duration::from_secs(SECONDS);
    let apps = (0..STEADY).map(|_| {
        let request = Arc::clone(&request);
        tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (mut due, mut times, mut answer) = (Instant::now(), Vec::new(), Vec::new());
            while due < end {
                tokio::time::sleep_until(due.into()).await;
                stream.write_all(&request).await.unwrap();
                answer.clear();
                while !answer.ends_with(b"true}") {
                    assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "an honest caller was cut off");
                }
                assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
                if Instant::now() <= end {
                    times.push(due.elapsed().as_secs_f64() * 1000.0);
                }
                due += Duration::from_secs(1) / PACE;
            }
            times
        })
    });
    let mut times = Vec::new();
    for app in apps.collect::<Vec<_>>() {
        times.extend(app.await.unwrap());
    }
    times.sort_by(f64::total_cmp);
    let at = |share: usize| times[times.len() * share / 100];
    let due = STEADY * usize::try_from(u64::from(PACE) * SECONDS).unwrap();
    Steady { kept: times.len() as f64 / due as f64, p50: at(50), p99: at(99) }
}

/// A runtime of one thread that takes what the others leave.
fn background() -> Runtime {
    let give_way = || {
        let thread = fs::read_link("/proc/thread-self").unwrap();
        let id = thread.file_name().unwrap();
        let reniced = Command::new("renice").args(["-n", "19", "-p"]).arg(id).output().unwrap();
        assert!(reniced.status.success(), "{reniced:?}");
    };
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(1)
        .on_thread_start(give_way)
        .build()
        .unwrap()
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}

fn main() {
    let work = tempfile::tempdir().unwrap();
    let key = ApiKey::generate().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(1).build().unwrap();
    let (vendor, upstream) = runtime.block_on(start_vendor());
    let names: Vec<_> =
        (0..300).map(|n| serde_json::json!({"id": n, "name": format!("Question {n}, and its text")})).collect();
    vendor.set_answer("questions", serde_json::json!({"data": {"questions": names}, "success": true}).to_string());
    let path = "/survey/queries/questions/100301";
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificates, keys) = (work.path().join("server.pem"), work.path().join("server.key"));
    fs::write(&certificates, certificate.cert.pem()).unwrap();
    fs::write(&keys, certificate.signing_key.serialize_pem()).unwrap();
    let tls = format!("tls = {{ cert_file = {certificates:?}, key_file = {keys:?} }}\n");
    for (what, server, ways) in
        [("HTTP", String::new(), ways(&key, &format!("/api/v1{path}"))), ("HTTPS", tls, vec![handshakes()])]
    {
        let (gateway, base) = start_gateway(work.path(), &upstream, &server, &key);
        let url = format!("{base}{path}");
        fetch(&url, &key, None);
        println!(
            "\n{what}, {EACH} slow {}:",
            ways.iter().map(|way| way.what).collect::<Vec<_>>().join(", as many slow ")
        );
        rounds(&background(), &gateway, &url, &key, &ways);
    }
}

fn rounds(slow_ones: &Runtime, gateway: &Server, url: &str, key: &ApiKey, ways: &[Way]) {
    let address: SocketAddr = url.split('/').nth(2).unwrap().parse().unwrap();
    let lasted: Vec<Lasted> = ways.iter().map(|_| Lasted::default()).collect();
    let (mut shares, mut of_work, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    let path = url.splitn(4, '/').nth(3).unwrap();
    let request = format!("GET /{path} HTTP/1.1\r\nHost: g\r\nAuthorization: {}\r\n\r\n", key.expose()).into_bytes();
    let request = Arc::new(request);
    // A thread of their own: they must not wait for the slow ones' turns.
    let honest = tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(1).build().unwrap();
    let pace = || url.starts_with("http:").then(|| honest.block_on(steady(address, Arc::clone(&request))));
    for round in 1..=ROUNDS {
        let alone = (load(gateway, url, key), pace());
        let (over, is_over) = watch::channel(false);
        let mut all = JoinSet::new();
        for (way, lasted) in ways.iter().zip(&lasted) {
            for _ in 0..EACH {
                all.spawn_on(slow(address, way.clone(), Arc::clone(lasted), is_over.clone()), slow_ones.handle());
            }
        }
        while sockets(gateway) < ways.len() * EACH {
            std::thread::sleep(Duration::from_millis(50));
        }
        let beside = (load(gateway, url, key), pace());
        let held = sockets(gateway);
        over.send_replace(true);
        slow_ones.block_on(all.shutdown());
        while sockets(gateway) > EACH / 10 {
            std::thread::sleep(Duration::from_millis(50));
        }
        let share = beside.0.rate / alone.0.rate;
        let share_of_work = beside.0.per_second_of_work / alone.0.per_second_of_work;
        println!(
            "  round {round}: alone {:>7.0}/s, beside {held} sockets {:>7.0}/s: {:.1}%; for the same work of the gateway {:.1}%",
            alone.0.rate,
            beside.0.rate,
            100.0 * share,
            100.0 * share_of_work
        );
        shares.push(share);
        of_work.push(share_of_work);
        if let (Some(alone), Some(beside)) = (alone.1, beside.1) {
            kept.push(beside.kept / alone.kept);
            println!(
                "           steady: {:.1}% of what is due ({:.2} ms, p99 {:.2} ms), beside {:.1}% ({:.2} ms, p99 {:.2} ms)",
                100.0 * alone.kept,
                alone.p50,
                alone.p99,
                100.0 * beside.kept,
                beside.p50,
                beside.p99
            );
        }
    }
    let (share, of_work) = (median(shares), median(of_work));
    println!("  median: {:.1}% of the throughput is kept by who asks as fast as he is answered", 100.0 * share);
    println!("  median: {:.1}% for the same work of the gateway", 100.0 * of_work);
    if !kept.is_empty() {
        let kept = median(kept);
        println!("  median: {:.1}% by who asks at a steady pace", 100.0 * kept);
        assert!(kept >= KEPT, "too little");
    }
    until_each_is_cut(slow_ones, address, ways, &lasted);
    for (way, lasted) in ways.iter().zip(lasted) {
        let lasted = std::mem::take(&mut *lasted.lock().unwrap());
        let late = lasted.iter().filter(|lasted| **lasted > way.bound as f64 + GRACE).count();
        let last = lasted.iter().copied().fold(0.0, f64::max);
        println!(
            "  slow {}: {} cut off, bound {} s, median after {:.1} s, last after {last:.1} s, {late} more than {GRACE} s late",
            way.what,
            lasted.len(),
            way.bound,
            median(lasted),
        );
        assert_eq!(late, 0);
    }
}

/// A round is too short for some.
fn until_each_is_cut(slow_ones: &Runtime, address: SocketAddr, ways: &[Way], lasted: &[Lasted]) {
    let (over, is_over) = watch::channel(false);
    let mut all = JoinSet::new();
    for (way, lasted) in ways.iter().zip(lasted) {
        for _ in 0..EACH {
            all.spawn_on(slow(address, way.clone(), Arc::clone(lasted), is_over.clone()), slow_ones.handle());
        }
    }
    while lasted.iter().any(|lasted| lasted.lock().unwrap().len() < EACH) {
        std::thread::sleep(Duration::from_millis(50));
    }
    over.send_replace(true);
    slow_ones.block_on(all.shutdown());
}

/// What a process has open, nearly all of them sockets.
fn sockets(server: &Server) -> usize {
    fs::read_dir(format!("/proc/{}/fd", server.0.id())).unwrap().count()
}
