//! What a peer without a credential can hold.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{Setup, World, in_time};

const ORGANIZATION: &str = "/api/v1/queries/organization";

/// A request whose head has this many bytes.
fn head(path: &str, key: Option<&str>, length: usize) -> String {
    let key = key.map_or(String::new(), |key| format!("Authorization: {key}\r\n"));
    let start = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{key}X-Fill: ");
    let fill = length - start.len() - 4;
    format!("{start}{}\r\n\r\n", "x".repeat(fill))
}

/// Sends a request and reads one answer; the connection stays open.
async fn exchange(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    read_answer(stream).await
}

async fn read_answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    in_time(async {
        loop {
            let text = String::from_utf8_lossy(&answer).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
                if body.len() >= length.parse::<usize>().unwrap() {
                    return text;
                }
            }
            assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "it hung up: {text}");
        }
    })
    .await
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[tokio::test]
async fn stranger_head_above_16_kib_gets_an_empty_431() {
    let world = World::new().await;
    for address in [world.address, world.admin] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let answer = exchange(&mut stream, &head("/livez", None, 16 * 1024)).await;
        assert_eq!(status(&answer), "200", "{answer}");
        let answer = exchange(&mut stream, &head("/livez", None, 16 * 1024 + 1)).await;
        assert_eq!(status(&answer), "431", "{answer}");
        assert!(answer.contains("\r\ncontent-length: 0\r\n") && answer.contains("connection: close"), "{answer}");
        assert_eq!(in_time(stream.read(&mut [0; 64])).await.unwrap(), 0);
    }
    // A key in a head that is not read to its end is no accepted credential.
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let answer = exchange(&mut stream, &head(ORGANIZATION, Some(world.key()), 20 * 1024)).await;
    assert_eq!(status(&answer), "431", "{answer}");
    assert_eq!(world.metric("malformed_requests_total").await, 2.0);
}

#[tokio::test]
async fn accepted_credential_allows_a_head_of_64_kib() {
    let world = World::new().await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let answer = exchange(&mut stream, &head(ORGANIZATION, Some("wgw_wrong"), 200)).await;
    assert_eq!(status(&answer), "401", "{answer}");
    let answer = exchange(&mut stream, &head(ORGANIZATION, Some(world.key()), 200)).await;
    assert_eq!(status(&answer), "200", "{answer}");
    for (length, code) in [(60 * 1024, "200"), (70 * 1024, "431")] {
        let answer = exchange(&mut stream, &head(ORGANIZATION, Some(world.key()), length)).await;
        assert_eq!(status(&answer), code, "{length}");
    }
}

#[tokio::test]
async fn logins_in_progress_are_bounded() {
    let mut setup = Setup::default();
    setup.config.server.body_timeout = std::time::Duration::from_secs(3600);
    setup.config.server.idle_timeout = std::time::Duration::from_secs(3600);
    let world = setup.start().await;
    let body = format!(r#"{{"email": "app", "password": "{}"}}"#, world.key());
    let (first, rest) = body.split_at(10);
    let login = format!(
        "POST /api/v1/auth/login HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut waiting = Vec::new();
    for _ in 0..64 {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(format!("{login}{first}").as_bytes()).await.unwrap();
        waiting.push(stream);
    }
    in_time(async { while world.metric("in_flight_requests").await < 64.0 {} }).await;
    let log_in = || world.post_as("", "/auth/login", &body);
    let refused = log_in().await;
    assert_eq!((refused.status, refused.problem().as_str()), (503, "overloaded"));
    assert!(!refused.header("retry-after").is_empty());
    // A reload does not lift the bound.
    world.reloader.reload(&world.config).unwrap();
    assert_eq!(log_in().await.status, 503);
    // Callers with a key are not concerned.
    world.get("/queries/organization").await.ok();
    let mut one = waiting.pop().unwrap();
    assert_eq!(status(&exchange(&mut one, rest).await), "200");
    log_in().await.ok();
}
