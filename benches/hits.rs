//! What a hit costs: the gateway, with key check, limiter, log line and metrics on, beside a bare axum handler that returns the
//! same bytes. `cargo bench --bench hits`; needs `wrk` (Debian's package). Both servers run as processes of their own
//! and are loaded in turn, so that the machine's moods fall on both; quote the ratios.
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
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use support::{Server, fetch, memory, start_gateway, start_vendor};
use wesal_gateway::auth::ApiKey;
use wesal_simulator::Simulator;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const ROUNDS: usize = 5;
const SECONDS: u32 = 3;

fn main() {
    match std::env::var("BARE_BODY") {
        Ok(body) => serve_bare(Path::new(&body)),
        Err(_) => compare(),
    }
}

/// The baseline: no key, no limit, no log, no cache.
fn serve_bare(body: &Path) {
    let body = bytes::Bytes::from(fs::read(body).unwrap());
    let handler = move || async move { ([("content-type", "application/json")], body) };
    let router = axum::Router::new().fallback(handler);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("http://{}/", listener.local_addr().unwrap());
        axum::serve(listener, router).await.unwrap();
    });
}

fn compare() {
    let work = tempfile::tempdir().unwrap();
    let key = ApiKey::generate().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(1).build().unwrap();
    let (vendor, settings) = runtime.block_on(start_vendor());
    give_20_kb(&vendor);
    let settings = format!("{settings}[cache.queue_summary]\nttl = \"1h\"\n");
    let (gateway, base) = start_gateway(work.path(), &settings, "", &key);

    let all = vendor.queue_ids();
    let summary = "/analytics/runtime/queues/summary";
    // Each set another part of a ring, so that all are different and of one size.
    let set = |first: usize, step: usize| {
        let ids = (0..20).map(|i| format!("\"{}\"", all[(first + i * step) % all.len()])).collect::<Vec<_>>();
        format!("{{\"queues\":[{}]}}", ids.join(","))
    };
    let sets: Vec<String> = (0..200).map(|n| set(n % 100, 1 + 2 * (n / 100))).collect();
    for (what, path, bodies) in [
        ("a question list", "/survey/queries/questions/100301", Vec::new()),
        ("a summary of 20 queues, the same each time", summary, sets[..1].to_vec()),
        ("a summary of 20 queues, 200 different sets in turn", summary, sets),
    ] {
        let url = format!("{base}{path}");
        let answer = work.path().join("answer");
        // The first time each is fetched, the second it is put together of what is held.
        for body in bodies.iter().map(Some).chain(bodies.is_empty().then_some(None)) {
            fetch(&url, &key, body.map(String::as_str));
            fs::write(&answer, fetch(&url, &key, body.map(String::as_str))).unwrap();
        }
        let (bare, bare_url) = start_bare(&answer);
        let script = work.path().join("request.lua");
        fs::write(&script, request(&key, &bodies)).unwrap();

        println!(
            "\n{what}, {} bytes; requests a second and CPU microseconds a request:",
            fs::metadata(&answer).unwrap().len()
        );
        let mut ratios = Vec::new();
        for round in 1..=ROUNDS {
            let ours = load(&gateway, &url, &script);
            let theirs = load(&bare, &bare_url, &script);
            ratios.push((ours.cpu / theirs.cpu, theirs.rate / ours.rate));
            println!(
                "  round {round}: gateway {:>7.0}/s {:>6.1} us, bare {:>7.0}/s {:>6.1} us: CPU {:.2} times",
                ours.rate,
                ours.cpu,
                theirs.rate,
                theirs.cpu,
                ours.cpu / theirs.cpu
            );
        }
        let median = |mut all: Vec<f64>| {
            all.sort_by(f64::total_cmp);
            all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
        };
        let cpu = median(ratios.iter().map(|ratio| ratio.0).collect());
        let rate = median(ratios.iter().map(|ratio| ratio.1).collect());
        println!("  median: {cpu:.2} times the bare handler's CPU a request; {rate:.2} times fewer requests a second");
    }
    println!("\nresident memory of the gateway: {} KiB", memory(&gateway));
}

/// A question list of 20 KB.
fn give_20_kb(vendor: &Simulator) {
    let answers: Vec<_> =
        (1..=5).map(|n| serde_json::json!({"id": n, "title": format!("Answer {n}"), "value": n})).collect();
    let questions: Vec<_> =
        (0..80).map(|n| serde_json::json!({"id": n, "name": format!("Question {n}"), "answers": answers})).collect();
    let list = serde_json::json!({"data": {"questions": questions}, "success": true});
    vendor.set_answer("questions", list.to_string());
}

struct Load {
    rate: f64,
    cpu: f64,
}

fn start_bare(body: &Path) -> (Server, String) {
    let mut bare =
        Command::new(std::env::current_exe().unwrap()).env("BARE_BODY", body).stdout(Stdio::piped()).spawn().unwrap();
    let mut url = String::new();
    BufReader::new(bare.stdout.take().unwrap()).read_line(&mut url).unwrap();
    (Server(bare), url.trim().to_owned())
}

/// What wrk sends: a GET, or the bodies in turn.
fn request(key: &ApiKey, bodies: &[String]) -> String {
    let method = if bodies.is_empty() { "GET" } else { "POST" };
    let list = bodies.iter().map(|body| format!("[[{body}]],")).collect::<String>();
    format!(
        "wrk.method = \"{method}\"\nwrk.headers[\"Content-Type\"] = \"application/json\"\n\
         wrk.headers[\"Authorization\"] = \"{}\"\nlocal bodies = {{{list}}}\nlocal requests, n = {{}}, 0\n\
         init = function() for i = 1, math.max(1, #bodies) do requests[i] = wrk.format(nil, nil, nil, bodies[i]) end end\n\
         request = function() n = n % #requests + 1; return requests[n] end\n",
        key.expose()
    )
}

fn load(server: &Server, url: &str, script: &Path) -> Load {
    let before = cpu_seconds(server);
    let wrk = Command::new("wrk")
        .args(["-t1", "-c32", &format!("-d{SECONDS}s"), "-s"])
        .arg(script)
        .arg(url)
        .output()
        .expect("wrk must be installed: apt-get install wrk");
    let cpu = cpu_seconds(server) - before;
    let told = String::from_utf8_lossy(&wrk.stdout).into_owned();
    assert!(!told.contains("Non-2xx"), "{told}");
    let number = |line: Option<&str>| line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    let requests = number(told.lines().find(|line| line.contains("requests in"))).unwrap();
    std::io::stdout().flush().unwrap();
    Load { rate: requests / f64::from(SECONDS), cpu: cpu * 1_000_000.0 / requests }
}

/// User and system time that a process has used, from the kernel's own account (in ticks of 10 ms).
fn cpu_seconds(server: &Server) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", server.0.id())).unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let ticks: f64 = after_name.split_whitespace().skip(11).take(2).map(|field| field.parse::<f64>().unwrap()).sum();
    ticks / 100.0
}
