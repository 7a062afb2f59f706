//! Clients who are slow on purpose, many at once: each is cut off in its time, and who is honest is answered.

use std::{num::NonZeroUsize, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::harness::{Setup, World, in_time};

const MANY: usize = 200;
const SOON: Duration = Duration::from_millis(300);
const NEVER: Duration = Duration::from_secs(3600);

/// Opens many connections that send this, and reads none of them.
async fn strangers(world: &World, sent: &[u8]) -> Vec<TcpStream> {
    let mut strangers = Vec::new();
    for _ in 0..MANY {
        let mut stranger = TcpStream::connect(world.address).await.unwrap();
        stranger.write_all(sent).await.unwrap();
        strangers.push(stranger);
    }
    strangers
}

/// Each on a connection of its own: one that is kept is cut off when it has been idle, as it should be.
async fn honest(world: &World) {
    let key = world.key();
    let request = format!(
        "GET /api/v1/queries/organization HTTP/1.1\r\nHost: g\r\nAuthorization: {key}\r\nConnection: close\r\n\r\n"
    );
    for _ in 0..10 {
        let mut answer = String::new();
        // A machine that pauses for longer than a bound that is short here makes the honest seem slow: they come again.
        for _ in 0..10 {
            if answer.is_empty() {
                answer = world.raw(request.as_bytes()).await;
            }
        }
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

/// What each of them was told, when the gateway had enough.
async fn ends(strangers: Vec<TcpStream>) -> Vec<String> {
    let mut ends = Vec::new();
    for mut stranger in strangers {
        let mut told = Vec::new();
        // It may be cut off with bytes unread.
        let _ = in_time(stranger.read_to_end(&mut told)).await;
        ends.push(String::from_utf8_lossy(&told).into_owned());
    }
    ends
}

#[tokio::test]
async fn slow_heads() {
    let mut setup = Setup::default();
    (setup.config.server.header_timeout, setup.config.server.idle_timeout) = (SOON, NEVER);
    let world = setup.start().await;
    world.logged_in().await;
    let strangers = strangers(&world, b"GET /api/v1/queries/organization HTTP/1.1\r\nHost: g\r\nX-Slow: ").await;
    honest(&world).await;
    assert!(ends(strangers).await.iter().all(String::is_empty));
    honest(&world).await;
}

#[tokio::test]
async fn slow_bodies() {
    let setup = Setup::default();
    let body_timeout = setup.config.server.body_timeout;
    let world = setup.start().await;
    world.logged_in().await;
    let head = format!(
        "POST /api/v1/survey/queries/surveys HTTP/1.1\r\nHost: g\r\nAuthorization: {}\r\nContent-Type: application/json\r\n\
         Content-Length: 100\r\n\r\n{{\"companyId\"",
        world.key()
    );
    let strangers = strangers(&world, head.as_bytes()).await;
    honest(&world).await;
    while world.metric("in_flight_requests").await < MANY as f64 {}
    world.advance(body_timeout);
    for told in ends(strangers).await {
        assert!(told.starts_with("HTTP/1.1 408 ") && told.contains("request_timeout"), "{told}");
    }
    honest(&world).await;
}

#[tokio::test]
async fn slow_readers() {
    let mut setup = Setup::default();
    (setup.config.server.header_timeout, setup.config.server.idle_timeout) = (NEVER, SOON);
    let world = setup.start().await;
    world.logged_in().await;
    let request =
        format!("GET /api/v1/queries/organization HTTP/1.1\r\nHost: g\r\nAuthorization: {}\r\n\r\n", world.key());
    let quiet = strangers(&world, request.as_bytes()).await;
    // These ask for more than all buffers between can hold, and their own is small.
    let mut greedy = Vec::new();
    for _ in 0..3 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let (reader, mut writer) = socket.connect(world.address).await.unwrap().into_split();
        let request = request.clone();
        let asking = tokio::spawn(async move { while writer.write_all(request.as_bytes()).await.is_ok() {} });
        greedy.push((reader, asking));
    }
    honest(&world).await;
    for told in ends(quiet).await {
        assert!(told.starts_with("HTTP/1.1 200 ") && told.matches("HTTP/1.1 ").count() == 1, "{told}");
    }
    for (reader, asking) in greedy {
        // Its writing ends because the gateway's end is gone: it never read a byte.
        in_time(asking).await.unwrap();
        drop(reader);
    }
    honest(&world).await;
}

#[tokio::test]
async fn silent_operators() {
    const ALL: usize = 8;
    let mut setup = Setup::default();
    (setup.config.server.header_timeout, setup.config.server.idle_timeout) = (SOON, NEVER);
    setup.config.server.max_connections = NonZeroUsize::new(ALL).unwrap();
    let world = setup.start().await;
    let mut silent = Vec::new();
    for _ in 0..ALL {
        silent.push(TcpStream::connect(world.admin).await.unwrap());
    }
    // Who comes now finds all places taken, and is alive to a probe all the same.
    let mut probe = TcpStream::connect(world.admin).await.unwrap();
    probe.write_all(b"GET /livez HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    in_time(probe.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(ends(silent).await.iter().all(String::is_empty));
}
