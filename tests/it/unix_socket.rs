//! Listeners that are files.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};
use wesal_gateway::{
    config::{Config, ListenAddress},
    server::{Bound, Drained},
};

use crate::harness::{Running, Setup, rate, run};

async fn ask(socket: &Path, path: &str, authorization: &str) -> String {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {authorization}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Settings with both listeners in this folder.
fn sockets(config: &mut Config, folder: &Path) -> (PathBuf, PathBuf) {
    let (public, admin) = (folder.join("public.sock"), folder.join("admin.sock"));
    config.server.listen = ListenAddress::Unix(public.clone());
    config.admin.listen = Some(ListenAddress::Unix(admin.clone()));
    (public, admin)
}

#[tokio::test]
async fn both_listeners_serve_through_files_that_go_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let world = Setup::default().start().await;
    let mut config = world.config.clone();
    let (public, admin) = sockets(&mut config, folder.path());
    // What a process left behind that was killed.
    drop(std::os::unix::net::UnixListener::bind(&public).unwrap());
    assert!(public.exists());
    let Running { address, stop, task, .. } = run(&config, &world.clock, None).await;
    assert!(address.is_none());
    let answer = ask(&public, "/api/v1/queries/organization", world.key()).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("organization"), "{answer}");
    assert!(ask(&admin, "/livez", "").await.ends_with("alive\n"));
    assert_eq!(std::fs::metadata(&public).unwrap().permissions().mode() & 0o777, 0o660);

    let refused = Bound::bind(&config).await.err().unwrap().to_string();
    assert!(refused.contains("public.sock (server.listen): another process listens there"), "{refused}");
    drop(stop);
    assert_eq!(task.await.unwrap(), Drained { cut_off: 0 });
    assert!(!public.exists() && !admin.exists());
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    let (public, _) = sockets(&mut config, folder.path());
    std::fs::write(&public, "precious").unwrap();
    let refused = Bound::bind(&config).await.err().unwrap().to_string();
    assert!(refused.contains("no socket"), "{refused}");
    assert_eq!(std::fs::read_to_string(&public).unwrap(), "precious");
}

#[tokio::test]
async fn a_file_that_another_took_over_is_not_removed() {
    let folder = tempfile::tempdir().unwrap();
    let world = Setup::default().start().await;
    let mut config = world.config.clone();
    let (public, _) = sockets(&mut config, folder.path());
    let Running { stop, task, .. } = run(&config, &world.clock, None).await;
    std::fs::remove_file(&public).unwrap();
    let _another = std::os::unix::net::UnixListener::bind(&public).unwrap();
    drop(stop);
    task.await.unwrap();
    assert!(public.exists());
}

#[tokio::test]
async fn wrong_credentials_are_counted_together_and_a_proxy_there_is_named_by_loopback() {
    let folder = tempfile::tempdir().unwrap();
    let world = Setup::default().start().await;
    for (proxies, second) in [(vec![], "429"), (vec!["127.0.0.1/32".parse().unwrap()], "401")] {
        let mut config = world.config.clone();
        let (public, _) = sockets(&mut config, folder.path());
        config.limits.auth_failures = rate(1, 3600, 1);
        config.server.trusted_proxies = proxies;
        let Running { stop, task, .. } = run(&config, &world.clock, None).await;
        for (client, status) in [("192.0.2.1", "401"), ("192.0.2.2", second)] {
            let forged = format!("wrong\r\nX-Forwarded-For: {client}");
            let answer = ask(&public, "/api/v1/queries/organization", &forged).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{client}: {answer}");
        }
        drop(stop);
        task.await.unwrap();
    }
}
