//! One process after another at the same address, and nobody notices.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    task::JoinSet,
};
use wesal_gateway::server::{Bound, Drained};

use crate::harness::{Running, Setup, run};

const RESTARTS: u32 = 20;
/// Requests at once: about half of them may wait for a second, where the kernel sends their first packet again.
const AT_ONCE: usize = 200;
/// Requests between two restarts, at least.
const BETWEEN: u64 = 50;

async fn ask(address: std::net::SocketAddr, key: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!(
        "GET /api/v1/queries/organization HTTP/1.1\r\nHost: gateway\r\nAuthorization: {key}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_restarts_under_load_lose_no_request() {
    let world = Setup::default().start().await;
    let mut config = world.config.clone();
    config.server.reuse_port = true;
    config.admin.listen = None;
    let mut running = run(&config, &world.clock, None).await;
    let address = running.address.unwrap();
    config.server.listen = address.into();

    let (over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let load = {
        let (over, answered, key) = (Arc::clone(&over), Arc::clone(&answered), world.key().to_owned());
        tokio::spawn(async move {
            let (room, mut asking) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
            while !over.load(Ordering::Relaxed) {
                let place = Arc::clone(&room).acquire_owned().await.unwrap();
                let (answered, key) = (Arc::clone(&answered), key.clone());
                asking.spawn(async move {
                    let answer = ask(address, &key).await;
                    drop(place);
                    let answer = answer.unwrap_or_else(|error| panic!("a request was lost: {error}"));
                    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with('}'), "{answer}");
                    answered.fetch_add(1, Ordering::Relaxed);
                });
                while let Some(asked) = asking.try_join_next() {
                    asked.unwrap();
                }
            }
            while let Some(asked) = asking.join_next().await {
                asked.unwrap();
            }
        })
    };
    for _ in 0..RESTARTS {
        let enough = answered.load(Ordering::Relaxed) + BETWEEN;
        while answered.load(Ordering::Relaxed) < enough {
            assert!(!load.is_finished());
            tokio::task::yield_now().await;
        }
        let next = run(&config, &world.clock, None).await;
        let Running { stop, task, .. } = std::mem::replace(&mut running, next);
        drop(stop);
        assert_eq!(task.await.unwrap(), Drained { cut_off: 0 });
    }
    over.store(true, Ordering::Relaxed);
    load.await.unwrap();
    assert!(answered.load(Ordering::Relaxed) >= u64::from(RESTARTS) * BETWEEN);
}

#[tokio::test]
async fn a_second_process_that_nobody_meant_is_refused_and_told_how_it_could_be_meant() {
    for (first, second) in [(false, false), (true, false), (false, true)] {
        let world = Setup::default().start().await;
        let mut config = world.config.clone();
        config.server.reuse_port = first;
        let bound = Bound::bind(&config).await.unwrap();
        config.server.listen = bound.public_address().unwrap().into();
        config.server.reuse_port = second;
        let refused = Bound::bind(&config).await.err().unwrap().to_string();
        assert!(refused.contains("server.listen") && refused.contains("server.reuse_port"), "{refused}");
    }
}

#[tokio::test]
async fn who_waits_in_the_queue_of_a_closing_listener_is_answered() {
    let mut setup = Setup::default();
    setup.config.server.max_connections = std::num::NonZeroUsize::MIN;
    let mut world = setup.start().await;
    world.logged_in().await;
    let vendor = world.vendor.hold("organization");
    let held = world.begin_get("/queries/organization");
    world.vendor.arrived("organization", 1).await;
    // No place is left: these are in the kernel's hands.
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: gateway\r\n\r\n").await.unwrap();
        waiting.push(stream);
    }
    let ended = world.tell_to_stop();
    for mut stream in waiting {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("connection: close"), "{answer}");
    }
    vendor.release();
    held.await.unwrap().ok();
    assert_eq!(ended.await.unwrap(), Drained { cut_off: 0 });
}
