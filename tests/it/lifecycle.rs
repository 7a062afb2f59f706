//! Connections, the end of the process, and the second listener.

use std::{num::NonZeroUsize, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use wesal_gateway::{config::Secret, server::Drained};

use crate::harness::{Setup, World, in_time};

const NEVER: Duration = Duration::from_secs(3600);
const ALIVE: &[u8] = b"GET /livez HTTP/1.1\r\nHost: gateway\r\n\r\n";

/// One answer without closing, of which no more than its status is looked at.
async fn read_alive(stream: &mut TcpStream) {
    let mut answer = Vec::new();
    while !answer.ends_with(b"alive\n") {
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "closed without an answer");
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_drain_finishes_what_was_begun_and_takes_nothing_new() {
    let mut world = World::new().await;
    world.logged_in().await;
    let vendor = world.vendor.block_requests("organization");
    let held = world.begin_get("/queries/organization");
    world.vendor.wait_for_requests("organization", 1).await;

    let ended = world.tell_to_stop();
    let mut told = world.get_admin("/readyz").await;
    while told.status == 200 {
        told = world.get_admin("/readyz").await;
    }
    assert!(told.json()["reasons"][0].as_str().unwrap().contains("draining"));
    while TcpStream::connect(world.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!held.is_finished() && !ended.is_finished());

    vendor.release();
    let answer = held.await.unwrap().ok();
    assert_eq!(answer.header("connection"), "close");
    assert_eq!(ended.await.unwrap(), Drained { cut_off: 0 });
}

#[tokio::test]
async fn what_a_drain_cannot_finish_is_told_so_and_counted() {
    let mut setup = Setup::default();
    setup.config.server.drain_timeout = Duration::from_millis(20);
    let mut world = setup.start().await;
    let _vendor = world.vendor.block_requests("organization");
    let held = world.begin_get("/queries/organization");
    world.vendor.wait_for_requests("organization", 1).await;
    let ended = world.tell_to_stop();
    let answer = held.await.unwrap();
    assert_eq!((answer.status, answer.problem().as_str()), (503, "shutting_down"));
    assert_eq!((answer.header("connection"), answer.header("retry-after")), ("close", "1"));
    assert_eq!(ended.await.unwrap(), Drained { cut_off: 1 });
}

#[tokio::test]
async fn a_drain_that_is_delayed_still_takes_connections_and_tells_everybody() {
    let mut setup = Setup::default();
    setup.config.server.drain_delay = Duration::from_secs(3600);
    let mut world = setup.start().await;
    world.logged_in().await;
    let ended = world.tell_to_stop();
    let ready = b"GET /readyz HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n";
    let mut told = world.raw(ready).await;
    while told.starts_with("HTTP/1.1 200 ") {
        told = world.raw(ready).await;
    }
    assert!(told.starts_with("HTTP/1.1 503 ") && told.contains("draining"), "{told}");
    let request =
        format!("GET /api/v1/queries/organization HTTP/1.1\r\nHost: gateway\r\nAuthorization: {}\r\n\r\n", world.key());
    // It ends, though the request did not ask for that.
    let told = world.raw(request.as_bytes()).await;
    assert!(told.starts_with("HTTP/1.1 200 ") && told.contains("connection: close\r\n"), "{told}");
    assert!(!ended.is_finished());
    ended.abort();
}

#[tokio::test]
async fn how_the_process_is_inside_is_told_of_both_listeners() {
    let world = World::new().await;
    world.logged_in().await;
    let told = world.get_admin("/metrics").await;
    for what in ["public", "admin", "threads"] {
        assert!(told.text().contains(&format!("wesal_gateway_stuck{{what=\"{what}\"}} 0\n")), "{what}");
    }
    assert!(world.metric("tasks").await > 0.0);
}

#[tokio::test]
async fn who_only_keeps_a_connection_open_is_not_cut_off_from_anything() {
    let mut setup = Setup::default();
    setup.config.server.drain_timeout = Duration::from_millis(20);
    let mut world = setup.start().await;
    let _silent = TcpStream::connect(world.address).await.unwrap();
    let mut idle = TcpStream::connect(world.address).await.unwrap();
    idle.write_all(ALIVE).await.unwrap();
    read_alive(&mut idle).await;
    assert_eq!(world.tell_to_stop().await.unwrap(), Drained { cut_off: 0 });
}

#[tokio::test]
async fn a_drain_with_nothing_to_do_closes_idle_connections_and_does_not_wait_for_its_end() {
    let mut setup = Setup::default();
    (setup.config.server.idle_timeout, setup.config.server.drain_timeout) = (NEVER, NEVER);
    let mut world = setup.start().await;
    let mut idle = TcpStream::connect(world.address).await.unwrap();
    idle.write_all(ALIVE).await.unwrap();
    read_alive(&mut idle).await;
    assert_eq!(in_time(world.tell_to_stop()).await.unwrap(), Drained { cut_off: 0 });
    assert_eq!(idle.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_request_that_is_on_its_way_on_a_kept_connection_when_the_drain_begins_is_answered() {
    // It has a moment for that; a machine that pauses longer than that between two lines here is tried again.
    for _ in 0..10 {
        let mut world = World::new().await;
        let mut kept = TcpStream::connect(world.address).await.unwrap();
        kept.write_all(ALIVE).await.unwrap();
        read_alive(&mut kept).await;
        let drained = world.tell_to_stop();
        while TcpStream::connect(world.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        let mut answer = String::new();
        if kept.write_all(ALIVE).await.is_ok() && kept.read_to_string(&mut answer).await.is_ok() && !answer.is_empty() {
            assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
            assert_eq!(drained.await.unwrap(), Drained { cut_off: 0 });
            return;
        }
    }
    panic!("never answered");
}

#[tokio::test]
async fn a_connection_that_is_slow_or_silent_too_long_is_closed() {
    const SOON: Duration = Duration::from_millis(50);
    for (what, header_timeout, idle_timeout, sent, answered) in [
        ("a head that never ends", SOON, NEVER, &b"GET /livez HTTP/1.1\r\nHost:"[..], false),
        ("silence from the first", SOON, NEVER, b"", false),
        ("silence after an answer", NEVER, SOON, ALIVE, true),
    ] {
        let mut setup = Setup::default();
        (setup.config.server.header_timeout, setup.config.server.idle_timeout) = (header_timeout, idle_timeout);
        let world = setup.start().await;
        let answer = in_time(world.raw(sent)).await;
        assert_eq!(answer.starts_with("HTTP/1.1 200 OK"), answered, "{what}: {answer}");
    }
}

#[tokio::test]
async fn who_finds_all_connections_taken_waits_for_one() {
    let mut setup = Setup::default();
    setup.config.server.max_connections = NonZeroUsize::MIN;
    let world = setup.start().await;
    let mut first = TcpStream::connect(world.address).await.unwrap();
    first.write_all(ALIVE).await.unwrap();
    read_alive(&mut first).await;
    let mut second = TcpStream::connect(world.address).await.unwrap();
    second.write_all(ALIVE).await.unwrap();
    for _ in 0..20 {
        first.write_all(ALIVE).await.unwrap();
        read_alive(&mut first).await;
    }
    assert_eq!(second.try_read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    drop(first);
    read_alive(&mut second).await;
}

#[tokio::test]
async fn the_admin_listener_shows_health_to_all_and_the_rest_to_who_has_its_token() {
    for (token, sent, other) in [
        ("", None, 404),
        ("s3cret", None, 401),
        ("s3cret", Some("Bearer wrong"), 401),
        ("s3cret", Some("s3cret"), 401),
        ("s3cret", Some("Bearer s3cret"), 404),
    ] {
        let mut setup = Setup::default();
        setup.config.admin.token = Secret::new(token);
        let world = setup.start().await;
        world.logged_in().await;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        for (path, status) in [("/livez", 200), ("/readyz", 200), ("/metrics2", other), ("/api/v1/auth/login", other)] {
            let request = client.get(format!("http://{}{path}", world.admin));
            let request = sent.iter().fold(request, |request, value| request.header("authorization", *value));
            let answer = world.send(request).await;
            assert_eq!(answer.status, status, "{path} with {sent:?} for {token:?}");
            assert_eq!(answer.header("www-authenticate").is_empty(), status != 401);
        }
    }
}

#[tokio::test]
async fn who_is_still_sending_when_the_connection_ends_may_finish_and_is_not_reset() {
    let world = World::new().await;
    let key = world.key();
    for (head, status) in [
        (
            format!(
                "POST /api/v1/survey/queries/surveys HTTP/1.1\r\nHost: g\r\nAuthorization: {key}\r\n\
                 Content-Type: application/json\r\nContent-Length: 10000000\r\n\r\n"
            ),
            "413",
        ),
        ("GET /livez HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n".to_owned(), "200"),
        ("nonsense\r\n\r\n".to_owned(), "400"),
    ] {
        // It has a moment for that; a machine that pauses longer than that between two lines here is tried again.
        let mut heard = false;
        for _ in 0..10 {
            let mut stream = TcpStream::connect(world.address).await.unwrap();
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            let answer = String::from_utf8(answer).unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
            // Nobody is told that a connection is closed before it has sent something, and that came back.
            let mut sent = Ok(());
            for _ in 0..3 {
                sent = sent.and(stream.write_all(b"and more").await);
            }
            heard = sent.is_ok();
            if heard {
                break;
            }
        }
        assert!(heard, "{status}: the rest is met with a reset");
    }
}
