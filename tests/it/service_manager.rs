//! The program itself, as a service manager runs it: what it is told, the sockets it passes, and the signals it sends.

use std::{
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixDatagram, UnixStream},
};
use wesal_gateway::{config::Secret, server::Bound};

use crate::harness::World;

/// A process of the gateway, with the world's vendor behind it. Its listeners are files.
struct Service {
    process: Child,
    notices: UnixDatagram,
    folder: TempDir,
    key: String,
}

impl Service {
    /// `prelude` is what a shell does before it becomes the gateway.
    async fn start(world: &World, prelude: &str, passed: Option<&TcpListener>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let credentials = world.vendor.credentials();
        let hash = world.config.callers[0].key_hashes[0].to_string();
        let config = format!(
            "server.listen = \"unix:{}\"\nadmin.listen = \"unix:{}\"\n\
             [upstream]\nbase_url = \"http://{}/api/v1\"\nclient_id = {:?}\nemail = {:?}\npassword = {:?}\n\
             login.state_dir = \"\"\n\
             [[callers]]\nname = \"app\"\nkey_hashes = [\"{hash}\"]\nscopes = [\"organization\"]\n",
            at("public.sock").display(),
            at("admin.sock").display(),
            world.vendor_address,
            credentials.client_id,
            credentials.email,
            credentials.password,
        );
        std::fs::write(at("config.toml"), config).unwrap();
        let notices = UnixDatagram::bind(at("notify.sock")).unwrap();
        let input = passed.map_or(Stdio::null(), |socket| OwnedFd::from(socket.try_clone().unwrap()).into());
        let process = Command::new("sh")
            .args(["-c", &format!("{prelude}\nexec \"$0\" serve --config \"$1\" 3<&0 </dev/null")])
            .arg(env!("CARGO_BIN_EXE_wesal-gateway"))
            .arg(at("config.toml"))
            .env("NOTIFY_SOCKET", at("notify.sock"))
            .stdin(input)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let service = Self { process, notices, folder, key: world.key().to_owned() };
        service.told("READY=1\n").await;
        service
    }

    /// Ends when the service manager is told this; what comes before is passed over.
    async fn told(&self, expected: &str) -> String {
        loop {
            let mut notice = [0; 256];
            let length = self.notices.recv(&mut notice).await.unwrap();
            let notice = String::from_utf8_lossy(&notice[..length]).into_owned();
            if notice.starts_with(expected) {
                return notice;
            }
        }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.process.id())]).status().unwrap();
        assert!(sent.success());
    }

    /// The exit code, once it has ended.
    async fn code(mut self) -> Option<i32> {
        // Not on this thread: the vendor goes on meanwhile.
        let ended = tokio::task::spawn_blocking(move || self.process.wait().unwrap());
        ended.await.unwrap().code()
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("public.sock")
    }

    async fn ask(&self, path: &str) -> String {
        self.exchange(UnixStream::connect(self.socket()).await.unwrap(), path).await
    }

    async fn exchange(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin, path: &str) -> String {
        let head =
            format!("GET {path} HTTP/1.1\r\nHost: g\r\nAuthorization: {}\r\nConnection: close\r\n\r\n", self.key);
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

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
    let health = Command::new(env!("CARGO_BIN_EXE_wesal-gateway"))
        .args(["health", "--url", &format!("unix:{}", service.socket().display())])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut health = health.unwrap();
    tokio::task::spawn_blocking(move || health.wait()).await.unwrap().unwrap();
    service.signal("TERM");
    service.told("STOPPING=1\n").await;
    let socket = service.socket();
    assert_eq!(service.code().await, Some(0));
    assert!(!socket.exists());
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
    let _vendor = world.vendor.hold("organization");
    let mut held = UnixStream::connect(service.socket()).await.unwrap();
    let head =
        format!("GET /api/v1/queries/organization HTTP/1.1\r\nHost: g\r\nAuthorization: {}\r\n\r\n", service.key);
    held.write_all(head.as_bytes()).await.unwrap();
    world.vendor.arrived("organization", 1).await;
    service.signal("TERM");
    service.told("STOPPING=1\n").await;
    service.signal("INT");
    assert_eq!(service.code().await, Some(1));
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
