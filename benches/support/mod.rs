//! A vendor and a gateway for the benchmarks: the gateway is the program itself, in a process of its own.
#![allow(dead_code, reason = "each benchmark uses its own part")]

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command},
};

use wesal_gateway::{auth::ApiKey, config::KeyHash};
use wesal_simulator::{Credentials, Options, Simulator};

/// A process that ends with its owner.
pub(crate) struct Server(pub(crate) Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A vendor in this process: while answers come from memory it has nothing to do.
pub(crate) async fn start_vendor() -> (Simulator, String) {
    let vendor = Simulator::new(Options::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let Credentials { client_id, email, password } = vendor.credentials();
    let settings = format!(
        "[upstream]\nbase_url = \"http://{}/api/v1\"\nclient_id = \"{client_id}\"\nemail = \"{email}\"\npassword = \"{password}\"\n",
        listener.local_addr().unwrap()
    );
    tokio::spawn(vendor.clone().serve(listener, std::future::pending()));
    (vendor, settings)
}

/// A gateway with one caller, and its base URL. `settings` are `[upstream]` and whatever else, `server` more of `[server]`.
pub(crate) fn start_gateway(work: &Path, settings: &str, server: &str, key: &ApiKey) -> (Server, String) {
    // Another may be given a port between its choice and its use.
    let started = (0..5).find_map(|_| try_to_start_gateway(work, settings, server, key));
    started.expect("the gateway does not start")
}

fn try_to_start_gateway(work: &Path, settings: &str, server: &str, key: &ApiKey) -> Option<(Server, String)> {
    let scheme = if server.contains("tls") { "https" } else { "http" };
    let [port, admin] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
    let config = format!(
        "{settings}
[server]
listen = \"127.0.0.1:{port}\"
{server}[admin]
listen = \"127.0.0.1:{admin}\"
[limits]
default = {{ requests = 1000000, per = \"1s\" }}
[[callers]]
name = \"bench\"
key_hashes = [\"{}\"]
scopes = [\"organization\", \"questions\", \"surveys\", \"queues\"]
",
        KeyHash::new(key.hash())
    );
    let file = work.join("config.toml");
    fs::write(&file, config).unwrap();
    // The log line is written; only the file is spared.
    let gateway = Command::new(env!("CARGO_BIN_EXE_wesal-gateway"))
        .args(["serve", "--config"])
        .arg(&file)
        .stderr(fs::File::create("/dev/null").unwrap())
        .spawn()
        .unwrap();
    let mut gateway = Server(gateway);
    let ready = format!("{scheme}://127.0.0.1:{port}/readyz");
    while !Command::new("curl").args(["-sfk", "-o", "/dev/null", &ready]).status().unwrap().success() {
        if gateway.0.try_wait().unwrap().is_some() {
            return None;
        }
    }
    Some((gateway, format!("{scheme}://127.0.0.1:{port}/api/v1")))
}

/// What the gateway answers.
pub(crate) fn fetch(url: &str, key: &ApiKey, body: Option<&str>) -> Vec<u8> {
    let mut curl = Command::new("curl");
    curl.args(["-sfk", url, "-H", &format!("Authorization: {}", key.expose())]);
    if let Some(body) = body {
        curl.args(["-H", "Content-Type: application/json", "-d", body]);
    }
    let output = curl.output().unwrap();
    assert!(output.status.success(), "{url} was not answered");
    output.stdout
}

/// What a process holds of the machine's memory, in KiB.
pub(crate) fn memory(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.0.id())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    resident.split_whitespace().next().unwrap().parse().unwrap()
}
