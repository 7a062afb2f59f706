//! Faults, the control API and statistics, on a real socket.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use wesal_simulator::{Fault, Options, Simulator};

struct Vendor {
    simulator: Simulator,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<std::io::Result<()>>,
}

impl Vendor {
    async fn start(options: Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let simulator = Simulator::new(options);
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(simulator.clone().serve(listener, async {
            let _ = stopped.await;
        }));
        Self { simulator, address, stop, server }
    }

    /// Returns everything that the server sends after one login, up to the close.
    async fn login(&self, more: &str) -> Vec<u8> {
        read(self.begin_login(more).await).await
    }

    async fn begin_login(&self, more: &str) -> TcpStream {
        let own = self.simulator.credentials();
        let body = format!(r#"{{"email":"{}","password":"{}"}}"#, own.email, own.password);
        let headers = format!("X-Client-Id: {}\r\n{more}Content-Length: {}", own.client_id, body.len());
        self.send(&format!("POST /api/v1/auth/login HTTP/1.1\r\n{headers}"), &body).await
    }

    async fn send(&self, head: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{head}\r\nHost: vendor\r\nConnection: close\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    async fn get(&self, path: &str) -> String {
        let stream = self.send(&format!("GET {path} HTTP/1.1"), "").await;
        String::from_utf8(read(stream).await).unwrap()
    }
}

async fn read(mut stream: TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    // A cut connection may end with an error. The bytes before it count.
    let _ = stream.read_to_end(&mut all).await;
    all
}

#[tokio::test]
async fn each_plain_fault_has_its_status_and_body() {
    let vendor = Vendor::start(Options::default()).await;
    for (fault, status, words) in [
        (Fault::Unavailable, "503", "<html>"),
        (Fault::BadGateway, "502", "nginx"),
        (Fault::Error, "500", "\"success\":false"),
        (Fault::RateLimited, "429", "retry-after: 2"),
        (Fault::RateLimitedBare, "429", "Too many requests"),
        (Fault::Html, "200", "text/html"),
        (Fault::Refused, "200", "X004"),
        (Fault::Failed, "200", "\"success\":false"),
        (Fault::Missing, "400", "X0000"),
        (Fault::WrongDomain, "403", "X002"),
        (Fault::TokenDead, "200", "X003"),
        (Fault::Unauthorized, "401", "content-length: 0"),
        (Fault::Empty, "200", "content-length: 0"),
        (Fault::BadJson, "200", "{\"data\""),
        (Fault::BadUtf8, "200", "\u{fffd}"),
        (Fault::WrongShape, "200", "promised"),
        (Fault::Redirect, "302", "location: http://127.0.0.1:1/"),
        (Fault::GzipBomb, "200", "content-encoding: gzip"),
        (Fault::LoginNoToken, "200", "\"user\""),
    ] {
        let answer = vendor.login(&format!("X-Simulate-Fault: {fault}\r\n")).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{fault}: {answer}");
        assert!(answer.contains(words), "{fault}: {answer}");
        assert!(!answer.contains("access_token"), "{fault}: {answer}");
    }
    let answer = vendor.login("X-Simulate-Fault: nonsense\r\n").await;
    assert!(String::from_utf8_lossy(&answer).contains("there are: unavailable, bad_gateway"));
}

#[tokio::test]
async fn huge_body_is_more_than_20_mib() {
    let vendor = Vendor::start(Options::default()).await;
    assert!(vendor.login("X-Simulate-Fault: huge\r\n").await.len() > 20 * 1024 * 1024);
}

#[tokio::test]
async fn cut_or_truncated_body_ends_early() {
    let vendor = Vendor::start(Options::default()).await;
    vendor.simulator.enqueue_fault("login", Fault::Cut);
    let cut = String::from_utf8(vendor.login("").await).unwrap();
    assert!(cut.contains("transfer-encoding: chunked") && !cut.ends_with("0\r\n\r\n"), "{cut}");
    vendor.simulator.enqueue_fault("login", Fault::Truncated);
    let short = String::from_utf8(vendor.login("").await).unwrap();
    let (head, body) = short.split_once("\r\n\r\n").unwrap();
    let promised = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    assert!(!body.is_empty() && body.len() < promised.parse().unwrap(), "{short}");
}

#[tokio::test]
async fn enqueued_faults_apply_in_order() {
    let vendor = Vendor::start(Options::default()).await;
    vendor.simulator.enqueue_fault("login", Fault::Error);
    vendor.simulator.enqueue_fault("login", Fault::Unavailable);
    for status in ["500", "503", "200"] {
        assert_eq!(&vendor.login("").await[9..12], status.as_bytes());
    }
}

#[tokio::test]
async fn fault_with_probability_1_always_applies() {
    let faults = vec!["summary/error:1".parse().unwrap(), "login/bad_gateway:1".parse().unwrap()];
    let vendor = Vendor::start(Options { faults, ..Options::default() }).await;
    assert_eq!(&vendor.login("").await[9..12], b"502");
}

#[tokio::test]
async fn blocked_requests_arrive_and_wait() {
    let vendor = Vendor::start(Options::default()).await;
    let guard = vendor.simulator.block_requests("login");
    let calls = [vendor.begin_login("").await, vendor.begin_login("").await];
    vendor.simulator.wait_for_requests("login", 2).await;
    assert_eq!(vendor.simulator.stats().in_flight, 2);
    assert_eq!(vendor.simulator.stats().logins_ok, 0);
    guard.release();
    for call in calls {
        assert!(read(call).await.starts_with(b"HTTP/1.1 200 "));
    }
    let stats = vendor.simulator.stats();
    assert_eq!((stats.in_flight, stats.peak, stats.logins_ok), (0, 2, 2));
}

#[tokio::test]
async fn shutdown_ends_hanging_requests() {
    let vendor = Vendor::start(Options::default()).await;
    vendor.simulator.enqueue_fault("login", Fault::Hang);
    let call = vendor.begin_login("").await;
    vendor.simulator.wait_for_requests("login", 1).await;
    vendor.stop.send(()).unwrap();
    assert!(read(call).await.starts_with(b"HTTP/1.1 503 "));
    vendor.server.await.unwrap().unwrap();
}

#[tokio::test]
async fn answers_can_be_replaced_and_requests_read_back() {
    let vendor = Vendor::start(Options::default()).await;
    vendor.simulator.set_answer("login", "not even JSON");
    assert!(vendor.login("X-Trace: 7\r\n").await.ends_with(b"\r\n\r\nnot even JSON"));
    vendor.simulator.clear_answer("login");
    vendor.simulator.set_login_token("/token");
    let answer = String::from_utf8(vendor.login("").await).unwrap();
    assert!(answer.contains(r#"{"token":"eyJ"#), "{answer}");
    let requests = vendor.simulator.requests("login");
    assert_eq!((requests.len(), requests[0].header("x-trace")), (2, Some("7")));
    let last = vendor.simulator.last_request("login").unwrap();
    assert_eq!((last.method.as_str(), last.target.as_str()), ("POST", "/api/v1/auth/login"));
    assert!(last.body.starts_with(b"{\"email\""));
}

#[tokio::test]
async fn statistics_count_requests_logins_and_faults() {
    let vendor = Vendor::start(Options::default()).await;
    vendor.login("").await;
    vendor.login("X-Simulate-Fault: error\r\n").await;
    let page = vendor.get("/").await;
    assert!(page.contains("text/html") && page.contains("fetch(\"stats\")"));
    let stats = vendor.get("/stats").await;
    let stats: Value = serde_json::from_str(stats.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(stats["routes"][0]["route"], "login");
    assert_eq!(stats["routes"][0]["calls"], 2);
    assert_eq!((&stats["loginsOk"], &stats["faults"][0]["fault"]), (&1.into(), &"error".into()));
}
