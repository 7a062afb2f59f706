//! Does the gateway stay as it is? One process, days of its life in a short time: wallboards that watch, apps that log in and
//! out, connections that come and go, requests that are given up, keys that are guessed, a vendor that falters and comes
//! back, reloads, purges, operators who look. Its memory, descriptors, tasks and series are written down in rounds: memory
//! and series must be flat in the end. When all have left, it must go back to as many descriptors and tasks as it had before
//! they came: while they are there, these follow what is asked, and who wants to see one that is lost must look then.
//! `cargo bench --bench soak -- 7200` goes on for two hours; ten minutes if nothing is said.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods
)]

mod support;

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use support::{Server, memory, start_gateway, start_vendor};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};
use wesal_gateway::auth::ApiKey;
use wesal_simulator::{Fault, Simulator};

const SALES: &str = "01756dxx-xxxx-xxxx-xxxx-7c12cf9a0dxx";

/// Each does all kinds of things, one after the other, and then again.
const APPS: u64 = 16;
/// Between two things that an app does: what is looked for does not come from haste.
const BREATH: Duration = Duration::from_millis(100);
const ROUTES: [&str; 6] = ["organization", "questions", "surveys", "summary", "activity", "performance"];
const ROUNDS: u32 = 24;
const DISTURBANCES_A_ROUND: u32 = 12;
const CACHE: &str = "[cache]\ncapacity = \"8 MiB\"\n";

/// With these, what those who have left asked for is fetched ahead for a few seconds more, and not for hours.
const SOON_FORGOTTEN: &str = "
[cache.organization]
ttl = \"1s\"
[cache.questions]
ttl = \"1s\"
[cache.queue_summary]
ttl = \"1s\"
[cache.queue_activity]
ttl = \"1s\"
[cache.queue_performance]
ttl = \"1s\"
closed_ttl = \"1s\"
settled_ttl = \"1s\"
";
/// Longer than any wait of the gateway's that nobody ends: a request cut short, a connection to the vendor that is idle.
const REST: Duration = Duration::from_secs(90);
/// The operators' own, which looks.
const LOOKING: f64 = 2.0;

/// What a round found: of memory, descriptors and tasks the least of its moments.
#[derive(Debug)]
struct Found {
    memory: f64,
    descriptors: f64,
    tasks: f64,
    series: f64,
    requests: u64,
}

fn main() {
    // `cargo test` and `cargo bench` hand their own flags on.
    let seconds = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(600);
    let round = Duration::from_secs(seconds) / ROUNDS;
    let work = tempfile::tempdir().unwrap();
    let key = ApiKey::generate().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (vendor, settings) = runtime.block_on(start_vendor());
    let settings = format!("{settings}rate_limit = {{ requests = 1000, per = \"1s\", burst = 1000 }}\n{CACHE}");
    let (gateway, base) = start_gateway(work.path(), &settings, "", &key);
    let address: SocketAddr = base.strip_prefix("http://").unwrap().split('/').next().unwrap().parse().unwrap();
    let operators = operators(work.path());
    let counted = Arc::new(AtomicU64::new(0));
    // The start itself has left some work that ends soon.
    let before = (0..5)
        .map(|_| {
            std::thread::sleep(Duration::from_millis(500));
            look(&gateway, operators, 0)
        })
        .reduce(Found::and)
        .unwrap();
    let mut apps = JoinSet::new();
    for app in 0..APPS {
        apps.spawn_on(live(app, address, key.expose().to_owned(), Arc::clone(&counted)), runtime.handle());
    }
    println!("round  memory KiB  descriptors  tasks  series   requests");
    let mut found = Vec::new();
    for n in 1..=ROUNDS {
        let mut now = None;
        for disturbance in 0..DISTURBANCES_A_ROUND {
            disturb(n * DISTURBANCES_A_ROUND + disturbance, &vendor, &gateway, operators);
            std::thread::sleep(round / DISTURBANCES_A_ROUND);
            let moment = look(&gateway, operators, counted.load(Ordering::Relaxed));
            now = Some(match now {
                Some(least) => Found::and(least, moment),
                None => moment,
            });
        }
        let now = now.unwrap();
        let Found { memory, descriptors, tasks, series, requests } = &now;
        println!("{n:>5} {memory:>11} {descriptors:>12} {tasks:>6} {series:>7} {requests:>10}");
        found.push(now);
    }
    let [third, last] = [2, 3].map(|quarter| found.chunks(found.len() / 4).nth(quarter).unwrap());
    let mut grows = false;
    // What each may differ by: memory by what arenas take and give back, series by what happens for the first time, which in
    // a short run is still much.
    let late = if seconds < 600 { 0.05 } else { 0.01 };
    for (what, of, may) in [
        ("memory KiB", (|found| found.memory) as fn(&Found) -> f64, third[0].memory * 0.1),
        ("series", |found| found.series, third[0].series * late),
    ] {
        let [before, after] = [third, last].map(|quarter| median(quarter.iter().map(of)));
        let flat = after - before <= may;
        println!("{what}: {before} in the third quarter, {after} in the last{}", if flat { "" } else { ": IT GROWS" });
        grows |= !flat;
    }
    assert!(last[0].requests > third[0].requests, "it answers no more");
    runtime.block_on(apps.shutdown());
    ROUTES.into_iter().for_each(|route| vendor.clear_faults(route));
    let config = work.path().join("config.toml");
    fs::write(&config, fs::read_to_string(&config).unwrap().replace(CACHE, &format!("{CACHE}{SOON_FORGOTTEN}")))
        .unwrap();
    reload(&gateway);
    let left = Instant::now();
    let stays =
        |after: &Found| after.tasks > before.tasks + LOOKING || after.descriptors > before.descriptors + LOOKING;
    let mut after = look(&gateway, operators, 0);
    while stays(&after) && left.elapsed() < REST {
        std::thread::sleep(Duration::from_secs(1));
        after = look(&gateway, operators, 0);
    }
    for (what, before, after) in
        [("descriptors", before.descriptors, after.descriptors), ("tasks", before.tasks, after.tasks)]
    {
        println!("{what}: {before} before all came, {after} when they had left for {:.0?}", left.elapsed());
    }
    assert!(!stays(&after), "something stays");
    assert!(!grows);
}

impl Found {
    fn and(self, later: Self) -> Self {
        Self {
            memory: self.memory.min(later.memory),
            descriptors: self.descriptors.min(later.descriptors),
            tasks: self.tasks.min(later.tasks),
            ..later
        }
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Where the operators' listener is.
fn operators(work: &Path) -> SocketAddr {
    let config: toml::Table = fs::read_to_string(work.join("config.toml")).unwrap().parse().unwrap();
    config["admin"]["listen"].as_str().unwrap().parse().unwrap()
}

fn look(gateway: &Server, operators: SocketAddr, requests: u64) -> Found {
    let metrics = curl(&[&format!("http://{operators}/metrics")]);
    let series = metrics.lines().filter(|line| !line.starts_with('#'));
    let tasks = series.clone().find_map(|line| line.strip_prefix("wesal_gateway_tasks ")).unwrap();
    let stuck = series.clone().filter(|line| line.starts_with("wesal_gateway_stuck{") && !line.ends_with(" 0"));
    assert_eq!(stuck.count(), 0, "{metrics}");
    let descriptors = fs::read_dir(format!("/proc/{}/fd", gateway.0.id())).unwrap().count();
    let count = |count: usize| f64::from(u32::try_from(count).unwrap());
    Found {
        memory: count(usize::try_from(memory(gateway)).unwrap()),
        descriptors: count(descriptors),
        tasks: tasks.parse().unwrap(),
        series: count(series.count()),
        requests,
    }
}

fn curl(arguments: &[&str]) -> String {
    let output = Command::new("curl").args(["-s", "--max-time", "20"]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Has it read its settings again.
fn reload(gateway: &Server) {
    let signalled = Command::new("kill").args(["-HUP", &gateway.0.id().to_string()]).status().unwrap();
    assert!(signalled.success());
}

/// What happens to a gateway in its life, one thing after the other.
fn disturb(n: u32, vendor: &Simulator, gateway: &Server, operators: SocketAddr) {
    match n % 6 {
        0 => vendor.expire_tokens(),
        1 => {
            reload(gateway);
        }
        2 => {
            let url = format!("http://{operators}/admin/cache/purge");
            curl(&["-X", "POST", "-H", "content-type: application/json", "-d", "{\"hard\": true}", &url]);
        }
        3 => {
            curl(&[&format!("http://{operators}/admin/status")]);
            // One after the other, none of the gateway's calls but these for a while, and then they are used up.
            let fault = Fault::ALL[usize::try_from(n / 6).unwrap() % Fault::ALL.len()];
            ROUTES.into_iter().for_each(|route| (0..5).for_each(|_| vendor.enqueue_fault(route, fault)));
        }
        4 => ROUTES.into_iter().for_each(|route| (0..50).for_each(|_| vendor.enqueue_fault(route, Fault::Unavailable))),
        _ => ROUTES.into_iter().for_each(|route| vendor.clear_faults(route)),
    }
}

/// An app's life: all that apps do, good and bad.
async fn live(app: u64, address: SocketAddr, key: String, counted: Arc<AtomicU64>) {
    let mut kept: Option<TcpStream> = None;
    for n in (app..).step_by(3) {
        tokio::time::sleep(BREATH).await;
        let auth = format!("authorization: {key}");
        let queue = |n: u64| if n.is_multiple_of(2) { SALES.to_owned() } else { format!("queue-{}", n % 50) };
        let queues = format!("[\"{}\", \"{}\"]", queue(n), queue(n / 7));
        let route = ["summary", "activity"][usize::try_from(n % 2).unwrap()];
        let request = match n % 13 {
            0..4 => post(&format!("/analytics/runtime/queues/{route}"), &auth, &format!("{{\"queues\": {queues}}}")),
            4 => {
                // Many shapes: each interval is its own.
                let (from, to) = (n % 28 + 1, n % 24);
                let interval = format!("2026-01-{from:02}T{to:02}:00:00.000Z/2026-02-{from:02}T{to:02}:00:00.000Z");
                let body = format!("{{\"queues\": {queues}, \"interval\": \"{interval}\"}}");
                post("/analytics/queues/performance", &auth, &body)
            }
            // Companies that are there, and ever new ones that are not.
            5 => get(&format!("/survey/queries/questions/{}", if n % 2 == 0 { 100_301 } else { n + 1_000_000 }), &auth),
            6 => get("/queries/organization", &auth),
            7 => post("/survey/queries/surveys", &auth, &format!("{{\"companyId\": 100301, \"offset\": {}}}", n % 90)),
            8 => {
                // A session begins and ends.
                let body = format!("{{\"email\": \"bench\", \"password\": \"{key}\"}}");
                let answer = ask(&mut None, address, &post("/auth/login", "x-client-id: x", &body)).await;
                let token = answer.as_deref().and_then(|answer| answer.split("\"access_token\":\"").nth(1));
                let Some(token) = token.and_then(|token| token.split('"').next()) else { continue };
                get("/auth/logout", &format!("authorization: {token}"))
            }
            9 => get("/queries/organization", &format!("authorization: wgw_{n:049}")),
            10 => get(&format!("/no/such/{n}"), &auth),
            11 => {
                // It gives up in the middle of a request, or before the answer.
                let whole = post("/survey/queries/surveys", &auth, "{\"companyId\": 100301}");
                let sent = if n.is_multiple_of(2) { &whole.as_bytes()[..whole.len() / 2] } else { whole.as_bytes() };
                if let Ok(mut stream) = TcpStream::connect(address).await {
                    let _ = stream.write_all(sent).await;
                }
                continue;
            }
            _ => {
                kept = None;
                post("/survey/queries/surveys", &auth, &"x".repeat(100_000))
            }
        };
        if ask(&mut kept, address, &request).await.is_some() {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn get(path: &str, header: &str) -> String {
    format!("GET /api/v1{path} HTTP/1.1\r\nhost: x\r\n{header}\r\n\r\n")
}

fn post(path: &str, header: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /api/v1{path} HTTP/1.1\r\nhost: x\r\n{header}\r\ncontent-type: application/json\r\ncontent-length: \
         {length}\r\n\r\n{body}"
    )
}

/// The answer, on the connection that is kept if there is one; `None` if the gateway hung up, which it may, after an error.
async fn ask(kept: &mut Option<TcpStream>, address: SocketAddr, request: &str) -> Option<String> {
    let mut stream = match kept.take() {
        Some(stream) => stream,
        None => TcpStream::connect(address).await.unwrap(),
    };
    // Who refuses a body need not read it.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
            if body.len() >= length.parse().unwrap() {
                let answer = text.into_owned();
                let goes_on = !answer.contains("connection: close");
                *kept = goes_on.then_some(stream);
                return Some(answer);
            }
        }
        if !matches!(stream.read_buf(&mut bytes).await, Ok(1..)) {
            return None;
        }
    }
}
