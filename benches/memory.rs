//! What a flood costs in memory: a million different questions through the whole gateway, whose cache may take 64 MiB, each
//! refused by the vendor and remembered for that; and then silence. `cargo bench --bench memory`; it takes some minutes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

use std::time::{Duration, Instant};

use support::{Server, memory, start_gateway, start_vendor};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use wesal_gateway::callers::ApiKey;

const QUESTIONS: u64 = 1_000_000;
const CLIENTS: u64 = 32;
/// Longer than a part of the flood is kept, and than a sweep takes to come.
const SILENCE: Duration = Duration::from_secs(90);

fn main() {
    let work = tempfile::tempdir().unwrap();
    let key = ApiKey::generate().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (_vendor, settings) = runtime.block_on(start_vendor());
    let settings = format!("{settings}rate_limit = {{ requests = 10000000, per = \"1s\" }}\n");
    let (gateway, base) = start_gateway(work.path(), &settings, "", &key);
    let address = base.strip_prefix("http://").unwrap().split('/').next().unwrap();
    tell("at the start", &gateway);
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
