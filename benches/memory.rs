//! What a flood costs in memory: a million different questions through the whole gateway, whose cache may take 64 MiB, each
//! refused by the vendor and remembered for that; and then silence. Before that, what a request in flight and a peer without
//! a credential hold. `cargo bench --bench memory`; it takes some minutes. It holds 4,000 sockets, both ends counted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

use std::time::{Duration, Instant};

use support::{Server, memory, start_gateway, start_vendor};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use wesal_gateway::callers::ApiKey;

/// Survey queries in flight, and the bytes of the body of each.
const IN_FLIGHT: u32 = 180;
const BODY_BYTES: usize = 60 * 1024;
/// Connections of peers without a credential.
const STRANGERS: u32 = 2_000;
/// Until memory that was freed is given back.
const REST: Duration = Duration::from_secs(15);
const QUESTIONS: u64 = 1_000_000;
const CLIENTS: u64 = 32;
/// Longer than a part of the flood is kept, and than a sweep takes to come.
const SILENCE: Duration = Duration::from_secs(90);

fn main() {
    let work = tempfile::tempdir().unwrap();
    let key = ApiKey::generate().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (vendor, settings) = runtime.block_on(start_vendor());
    let settings = format!("{settings}rate_limit = {{ requests = 10000000, per = \"1s\" }}\n");
    let (gateway, base) = start_gateway(work.path(), &settings, "", &key);
    let address = base.strip_prefix("http://").unwrap().split('/').next().unwrap();
    tell("at the start", &gateway);
    let held = vendor.hold("surveys");
    runtime.block_on(async {
        let requests = (0..IN_FLIGHT).map(|number| survey_query(key.expose(), number));
        growth("a survey query in flight", &gateway, address, requests.collect()).await;
        held.release();
        let head = format!("GET /livez HTTP/1.1\r\nhost: x\r\nx-fill: {}", "x".repeat(16_000));
        for (what, bytes) in [("a silent connection", Vec::new()), ("one with half a head", head.into_bytes())] {
            growth(what, &gateway, address, vec![bytes; STRANGERS as usize]).await;
        }
    });
    let began = Instant::now();
    runtime.block_on(async {
        let clients =
            (0..CLIENTS).map(|client| tokio::spawn(flood(address.to_owned(), key.expose().to_owned(), client)));
        for client in clients.collect::<Vec<_>>() {
            client.await.unwrap();
        }
    });
    tell(&format!("after {QUESTIONS} different questions in {} s", began.elapsed().as_secs()), &gateway);
    std::thread::sleep(SILENCE);
    tell(&format!("after {} s of silence", SILENCE.as_secs()), &gateway);
}

fn tell(when: &str, gateway: &Server) {
    println!("resident memory {when}: {} KiB", memory(gateway));
}

/// Sends each of `requests` on a connection of its own, and prints by how much that grows the memory for each.
async fn growth(what: &str, gateway: &Server, address: &str, requests: Vec<Vec<u8>>) {
    let (before, count) = (memory(gateway), requests.len() as u64);
    let mut streams = Vec::new();
    for request in requests {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&request).await.unwrap();
        streams.push(stream);
    }
    // Less than `server.header_timeout`, which ends the connections of strangers.
    tokio::time::sleep(Duration::from_secs(3)).await;
    println!("{what} takes {} KiB", memory(gateway).saturating_sub(before) / count);
    drop(streams);
    tokio::time::sleep(REST).await;
}

/// A survey query of many filters that no other one equals.
fn survey_query(key: &str, number: u32) -> Vec<u8> {
    let filter = format!(r#"{{"dimension":"queueId","value":"{number:08}"}},"#);
    let filters = filter.repeat(BODY_BYTES / filter.len());
    let body = format!(r#"{{"companyId":100301,"filters":[{}]}}"#, filters.trim_end_matches(','));
    let head = format!(
        "POST /api/v1/survey/queries/surveys HTTP/1.1\r\nhost: x\r\nauthorization: {key}\r\ncontent-type: application/json\r\n"
    );
    format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

async fn flood(address: String, key: String, client: u64) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut answer = Vec::new();
    for question in (1..=QUESTIONS).filter(|question| question % CLIENTS == client) {
        let request = format!(
            "GET /api/v1/survey/queries/questions/{question} HTTP/1.1\r\nhost: x\r\nauthorization: {key}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        answer.clear();
        while !answer.ends_with(b"}") {
            assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "the gateway hung up");
        }
        // A few companies are there.
        let whole = answer.starts_with(b"HTTP/1.1 400") || answer.starts_with(b"HTTP/1.1 200");
        assert!(whole, "{}", String::from_utf8_lossy(&answer));
    }
}
