//! The program itself, as a process of its own.

use std::{
    net::TcpListener,
    os::fd::OwnedFd,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{UnixDatagram, UnixStream},
};

use crate::harness::{World, in_time, until};

/// A process of the gateway, with the world's vendor behind it. Its listeners are files.
pub struct Service {
    process: Child,
    notices: UnixDatagram,
    folder: TempDir,
    key: String,
}

impl Service {
    /// `prelude` is what a shell does before it becomes the gateway.
    pub async fn start(world: &World, prelude: &str, passed: Option<&TcpListener>) -> Self {
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
            .stderr(std::fs::File::create(at("log")).unwrap())
            .spawn()
            .unwrap();
        let service = Self { process, notices, folder, key: world.key().to_owned() };
        service.told("READY=1\n").await;
        service
    }

    /// Ends when the service manager is told this; what comes before is passed over.
    pub async fn told(&self, expected: &str) -> String {
        let told = async {
            loop {
                let mut notice = [0; 256];
                let length = self.notices.recv(&mut notice).await.unwrap();
                let notice = String::from_utf8_lossy(&notice[..length]).into_owned();
                if notice.starts_with(expected) {
                    return notice;
                }
            }
        };
        in_time(told).await
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.process.id())]).status().unwrap();
        assert!(sent.success());
    }

    /// The exit code, once it has ended.
    pub async fn code(mut self) -> Option<i32> {
        let ended = async {
            loop {
                if let Some(ended) = self.process.try_wait().unwrap() {
                    return ended.code();
                }
                // The vendor goes on meanwhile.
                tokio::task::yield_now().await;
            }
        };
        in_time(ended).await
    }

    /// The file that it reads its settings from.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    pub fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Ends when its log holds this.
    pub async fn logs(&self, text: &str) {
        in_time(until(|| std::fs::read_to_string(self.log()).unwrap().contains(text))).await;
    }

    pub fn key(&self) -> &str {
        &self.key
    }

    /// What an operator's request is answered with, which must be JSON.
    pub async fn operate(&self, method: &str, path: &str, body: &str) -> serde_json::Value {
        serde_json::from_str(&self.operate_as(method, path, body, "-").await).unwrap()
    }

    /// The answer's body, to a request with this id.
    pub async fn operate_as(&self, method: &str, path: &str, body: &str, request_id: &str) -> String {
        self.operate_with(method, path, ("application/json", body), request_id).await
    }

    pub async fn operate_with(&self, method: &str, path: &str, (kind, body): (&str, &str), request_id: &str) -> String {
        let mut stream = UnixStream::connect(self.folder.path().join("admin.sock")).await.unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
             X-Request-Id: {request_id}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("public.sock")
    }

    pub async fn ask(&self, path: &str) -> String {
        self.exchange(UnixStream::connect(self.socket()).await.unwrap(), path).await
    }

    /// Asks so often on one connection, with a long request id each time.
    pub async fn flood(&self, path: &str, times: usize) {
        let mut stream = UnixStream::connect(self.socket()).await.unwrap();
        let (mut reader, mut writer) = stream.split();
        let id = "x".repeat(128);
        let one = format!("GET {path} HTTP/1.1\r\nHost: g\r\nX-Request-Id: {id}\r\n\r\n");
        let last = format!("GET {path} HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n");
        let (all, mut answers) = (one.repeat(times) + &last, Vec::new());
        let (sent, read) = tokio::join!(writer.write_all(all.as_bytes()), reader.read_to_end(&mut answers));
        sent.unwrap();
        read.unwrap();
    }

    /// The same with a request id of the caller's own.
    pub async fn ask_as(&self, path: &str, request_id: &str) -> String {
        let stream = UnixStream::connect(self.socket()).await.unwrap();
        self.send(stream, path, &format!("X-Request-Id: {request_id}\r\n")).await
    }

    pub async fn exchange(&self, stream: impl AsyncRead + AsyncWrite + Unpin, path: &str) -> String {
        self.send(stream, path, "").await
    }

    async fn send(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin, path: &str, lines: &str) -> String {
        let key = &self.key;
        let head =
            format!("GET {path} HTTP/1.1\r\nHost: g\r\nAuthorization: {key}\r\n{lines}Connection: close\r\n\r\n");
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
