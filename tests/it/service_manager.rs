//! The program itself, as a service manager runs it: what it is told, the sockets it passes, and the signals it sends.

use std::{
    net::{SocketAddr, TcpListener},
    process::{Command, Stdio},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    time::Instant,
};
use wesal_gateway::{config::Secret, server::Bound};

use crate::{
    harness::{World, in_time, secs},
    program::Service,
};

#[tokio::test]
async fn the_service_manager_is_told_how_things_stand() {
    let world = World::new().await;
    let service = Service::start(&world, "export WATCHDOG_USEC=100000", None).await;
    assert!(service.ask("/livez").await.ends_with("alive\n"));
    service.told("WATCHDOG=1\n").await;
    service.signal("HUP");
    let reloading = service.told("RELOADING=1\n").await;
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    service.told("READY=1\n").await;
    in_time(async { while !service.ask("/readyz").await.starts_with("HTTP/1.1 200 ") {} }).await;
    let health = Command::new(env!("CARGO_BIN_EXE_wesal-gateway"))
        .args(["health", "--url", &format!("unix:{}", service.socket().display())])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut health = health.unwrap();
    let health = tokio::task::spawn_blocking(move || health.wait()).await.unwrap().unwrap();
    assert!(health.success(), "{health}");
    service.signal("TERM");
    service.told("STOPPING=1\n").await;
    let socket = service.socket();
    assert_eq!(service.code().await, Some(0));
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_service_manager_that_does_not_read_holds_up_nobody() {
    let world = World::new().await;
    // A notice each 10 ms: the kernel keeps about ten of them.
    let service = Service::start(&world, "export WATCHDOG_USEC=20000 TOKIO_WORKER_THREADS=1", None).await;
    let began = Instant::now();
    while began.elapsed() < secs(1) {
        assert!(in_time(service.ask("/livez")).await.ends_with("alive\n"));
    }
    service.signal("HUP");
    service.logs("the configuration was reloaded").await;
    service.signal("TERM");
    assert_eq!(service.code().await, Some(0));
}

#[tokio::test]
async fn without_callers_it_starts_and_says_so() {
    let world = World::new().await;
    let service = Service::start(&world, "sed -i '/^.*callers/,$d' \"$1\"", None).await;
    service.logs("there are no callers, so every request is refused").await;
    service.signal("TERM");
    assert_eq!(service.code().await, Some(0));
}

#[tokio::test]
async fn sockets_that_are_passed_are_served_and_what_waits_in_them_goes_to_the_next_process() {
    let world = World::new().await;
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = socket.local_addr().unwrap();
    for names in ["public", "wesal-gateway.socket"] {
        let passing = format!("export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES={names}");
        let first = Service::start(&world, &passing, Some(&socket)).await;
        let answer = first.exchange(TcpStream::connect(address).await.unwrap(), "/api/v1/queries/organization").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        first.signal("TERM");
        assert_eq!(first.code().await, Some(0));
        // Nobody serves now, and who comes is not refused.
        let waiting = TcpStream::connect(address).await.unwrap();
        let second = Service::start(&world, &passing, Some(&socket)).await;
        assert!(second.exchange(waiting, "/livez").await.ends_with("alive\n"));
        second.signal("TERM");
        assert_eq!(second.code().await, Some(0));
    }
}

#[tokio::test]
async fn who_insists_does_not_wait_for_the_drain() {
    let world = World::new().await;
    world.logged_in().await;
    let service = Service::start(&world, "", None).await;
    let _vendor = world.vendor.block_requests("organization");
    let mut held = UnixStream::connect(service.socket()).await.unwrap();
    let head =
        format!("GET /api/v1/queries/organization HTTP/1.1\r\nHost: g\r\nAuthorization: {}\r\n\r\n", service.key());
    held.write_all(head.as_bytes()).await.unwrap();
    world.vendor.wait_for_requests("organization", 1).await;
    service.signal("TERM");
    service.told("STOPPING=1\n").await;
    service.signal("INT");
    assert_eq!(service.code().await, Some(1));
}

#[tokio::test]
async fn as_many_descriptors_are_open_as_the_system_allows_and_not_as_few_as_it_begins_with() {
    let world = World::new().await;
    let service = Service::start(&world, "ulimit -Sn 40", None).await;
    let mut many = Vec::new();
    for _ in 0..100 {
        many.push(UnixStream::connect(service.socket()).await.unwrap());
    }
    tokio::select! {
        answer = service.ask("/livez") => assert!(answer.ends_with("alive\n"), "{answer}"),
        () = service.logs("a connection could not be accepted") => panic!("it began with 40, and still has no more"),
    }
    service.logs("\"before\":40,").await;
}

#[tokio::test]
async fn running_out_of_descriptors_is_survived() {
    let world = World::new().await;
    let service = Service::start(&world, "ulimit -n 40", None).await;
    let mut many = Vec::new();
    for _ in 0..100 {
        many.push(UnixStream::connect(service.socket()).await.unwrap());
    }
    // The first ones are served while the last ones wait.
    let mut first = many.remove(0);
    first.write_all(b"GET /livez HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    first.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("alive\n"), "{answer}");
    service.logs("a connection could not be accepted").await;
    service.logs("\"limit\":40,\"needed\":10388").await;
    drop(many);
    assert!(service.ask("/livez").await.ends_with("alive\n"));
}

#[tokio::test]
async fn an_operators_socket_beyond_loopback_needs_the_token_wherever_it_comes_from() {
    let mut config = World::new().await.config.clone();
    config.admin.listen = Some("0.0.0.0:0".parse().unwrap());
    let refused = Bound::bind(&config).await.err().unwrap().to_string();
    assert!(refused.contains("admin.listen") && refused.contains("admin token"), "{refused}");
    config.admin.token = Secret::new("s3cret");
    Bound::bind(&config).await.ok().unwrap();
}
