//! What a flood costs in memory: a million different questions through the whole gateway, whose cache may take 64 MiB, each
//! refused by the vendor and remembered for that; and then silence. Before that, what a request in flight and a peer without
//! a credential hold, over TLS too. `cargo bench --bench memory`; it takes some minutes. `-- connections` measures only what
//! peers without a credential hold, which takes a minute. It holds 2,000 sockets, both ends counted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods
)]

#[path = "../tests/it/harness/authority.rs"]
#[allow(dead_code, unreachable_pub)]
mod authority;
mod support;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use authority::Authority;
use support::{Server, memory, start_gateway, start_vendor};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    runtime::Runtime,
};
use wesal_gateway::auth::ApiKey;

/// Survey queries in flight, and the bytes of the body of each.
const IN_FLIGHT: u32 = 180;
const BODY_BYTES: usize = 60 * 1024;
/// Connections of peers without a credential.
const STRANGERS: usize = 1_000;
/// Requests of each connection whose answers are not read. Their answers are longer than what the kernel takes.
const UNREAD: usize = 8;
/// Long enough for all handshakes; shorter than `server.idle_timeout`.
const HEADER_TIMEOUT: &str = "header_timeout = \"1m\"\n";
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
    connections(&runtime, work.path(), &settings, &key);
    if std::env::args().any(|argument| argument == "connections") {
        return;
    }
    let (gateway, base) = start_gateway(work.path(), &settings, "", &key);
    let address = base.strip_prefix("http://").unwrap().split('/').next().unwrap();
    tell("at the start", &gateway);
    let held = vendor.block_requests("surveys");
    runtime.block_on(async {
        let requests = (0..IN_FLIGHT).map(|number| survey_query(key.expose(), number));
        growth("a survey query in flight", &gateway, requests.collect(), || connect(address, None, "")).await;
        held.release();
        // Until memory that was freed is given back.
        tokio::time::sleep(REST).await;
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

/// Prints what the connections of peers without a credential take, in plain text and over TLS.
fn connections(runtime: &Runtime, work: &Path, settings: &str, key: &ApiKey) {
    let authority = Authority::new();
    authority.write(work);
    let file = |name: &str| work.join(name).display().to_string();
    let tls = format!("tls = {{ cert_file = {:?}, key_file = {:?} }}\n", file("server.pem"), file("server.key"));
    let head = format!("GET /livez HTTP/1.1\r\nhost: x\r\nx-fill: {}", "x".repeat(16_000));
    let unread = "GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(UNREAD);
    let (plain, http_1, http_2) = (("", None), ("http/1.1", Some(&authority)), ("h2", Some(&authority)));
    let mut half_a_block = http2_start();
    // A field whose value goes on in a further frame: its name `a`, the length 20,000 of its value, some of it.
    half_a_block.extend(frame(1, 0, 1, &[&[0, 1, b'a', 0x7f, 0xa1, 0x9b, 0x01][..], &[b'x'; 16_000]].concat()));
    // A header block in one frame, most of which has come.
    let mut half_a_frame = http2_start();
    let block = [&[0, 1, b'a', 0x7f, 0x81, 0x7c][..], &[b'x'; 16_000]].concat();
    half_a_frame.extend(frame(1, 4, 1, &block));
    half_a_frame.truncate(half_a_frame.len() - 100);
    let mut streams = http2_start();
    for stream in 0..100 {
        // `GET https://x/openapi.json`
        let head = [&[0x82, 0x87, 0x41, 1, b'x', 0x04, 13][..], b"/openapi.json"].concat();
        streams.extend(frame(1, 5, 2 * stream + 1, &head));
    }
    for (what, (protocol, authority), request) in [
        ("plain, silent", plain, Vec::new()),
        ("plain, half a head", plain, head.clone().into_bytes()),
        ("plain, unread answers", plain, unread.clone().into_bytes()),
        ("TLS, silent", http_1, Vec::new()),
        ("TLS, half a head", http_1, head.into_bytes()),
        ("TLS, unread answers", http_1, unread.into_bytes()),
        ("HTTP/2, silent", http_2, http2_start()),
        ("HTTP/2, half a frame of a header block", http_2, half_a_frame),
        ("HTTP/2, half a header block", http_2, half_a_block),
        ("HTTP/2, 100 unread answers", http_2, streams),
    ] {
        let server = if authority.is_some() { tls.as_str() } else { "" };
        // One for each: memory that was freed may be used again.
        let (gateway, base) = start_gateway(work, settings, &format!("{HEADER_TIMEOUT}{server}"), key);
        let address = base.split('/').nth(2).unwrap();
        let connect = || connect(address, authority, protocol);
        runtime.block_on(growth(&format!("a connection, {what},"), &gateway, vec![request; STRANGERS], connect));
    }
}

/// What an HTTP/2 client sends first: its settings say that it takes no byte of an answer.
fn http2_start() -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(4, 0, 0, &[0, 4, 0, 0, 0, 0])].concat()
}

fn frame(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), content].concat()
}

trait Connection: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection for S {}

/// A connection of a client that takes few bytes before it reads.
async fn connect(address: &str, authority: Option<&Authority>, protocol: &str) -> Box<dyn Connection> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    let stream = socket.connect(address.parse().unwrap()).await.unwrap();
    match authority {
        None => Box::new(stream),
        Some(authority) => Box::new(authority.connect(stream, &[protocol]).await.unwrap()),
    }
}

/// Sends each of `requests` on a connection of its own, and prints by how much that grows the memory for each.
async fn growth<C: Future<Output = Box<dyn Connection>>>(
    what: &str,
    gateway: &Server,
    requests: Vec<Vec<u8>>,
    connect: impl Fn() -> C,
) {
    let (before, count) = (memory(gateway), requests.len() as u64);
    let mut streams = Vec::new();
    for request in requests {
        let mut stream = connect().await;
        stream.write_all(&request).await.unwrap();
        stream.flush().await.unwrap();
        streams.push(stream);
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    println!("{what} takes {} KiB", memory(gateway).saturating_sub(before) / count);
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
