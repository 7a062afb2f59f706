//! A gateway and its vendor on loopback. Time stands still until a test moves it.

mod acts;
mod answer;
mod authority;
mod closed_port;
#[cfg(feature = "otlp")]
mod collector;
mod described;
mod fault_proxy;
mod log;
mod odd_clock;
mod routes;
mod setup;

use std::{future::Future, net::SocketAddr, path::PathBuf, time::Duration};

#[allow(unused_imports, reason = "each test binary uses its own part of the harness")]
pub use acts::{Act, http};
pub use answer::Answer;
#[allow(unused_imports, reason = "each test binary uses its own part of the harness")]
pub use authority::{Authority, tls_files};
use closed_port::ClosedPort;
#[cfg(feature = "otlp")]
#[allow(unused_imports, reason = "each test binary uses its own part of the harness")]
pub use collector::{Collector, Export, attribute};
#[allow(unused_imports, reason = "each test binary uses its own part of the harness")]
pub use fault_proxy::FaultProxy;
#[allow(unused_imports, reason = "each test binary uses its own part of the harness")]
pub use log::log;
#[allow(unused_imports, reason = "each test binary uses its own part of the harness")]
pub use odd_clock::OddClock;
#[allow(unused_imports, reason = "each test binary uses its own part of the harness")]
pub use routes::{AUTH, DATA, Mirrored, asking};
#[allow(unused_imports, reason = "each test binary uses its own part of the harness")]
pub use setup::{Running, Setup, rate, run, run_by, text_of};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
};
use wesal_gateway::{
    clock::ManualClock,
    config::Config,
    server::{Drained, Reloader},
};
use wesal_simulator::Simulator;

/// The two queues of the vendor's reference.
pub const SALES: &str = "01756dxx-xxxx-xxxx-xxxx-7c12cf9a0dxx";
pub const SUPPORT: &str = "02795dxx-xxxx-xxxx-xxxx-2f13cf5a0dxx";

/// So many seconds.
pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Much longer than anything may take that a test waits for, on any machine.
pub const LATE: Duration = secs(30);

/// What `work` gives. A test that waits for what does not come any more fails, and does not hang.
pub async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LATE, work).await.expect("it does not come")
}

/// Ends when `done` says so. Everything in a test shares one thread, so that yielding lets all else go on.
pub async fn until(done: impl Fn() -> bool) {
    while !done() {
        tokio::task::yield_now().await;
    }
}

/// A running gateway with a simulated vendor behind it. Both end when it is dropped.
pub struct World {
    pub vendor: Simulator,
    pub clock: ManualClock,
    pub address: SocketAddr,
    pub admin: SocketAddr,
    pub vendor_address: SocketAddr,
    /// What it was started with.
    pub config: Config,
    pub reloader: Reloader,
    /// What stands before the vendor, if the setup has one.
    pub proxy: Option<FaultProxy>,
    /// What its settings are read again from, if the setup has it.
    pub file: Option<PathBuf>,
    key: String,
    client: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    gateway: Option<JoinHandle<Drained>>,
    vendor_stop: Option<oneshot::Sender<()>>,
    vendor_task: Option<JoinHandle<std::io::Result<()>>>,
    vendor_port: Option<ClosedPort>,
}

impl World {
    /// The shipped settings, and one caller, `app`, with every scope.
    pub async fn new() -> Self {
        Setup::default().start().await
    }

    /// The key of the first caller.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// GET a path under the base path, as the first caller.
    pub async fn get(&self, path: &str) -> Answer {
        self.get_as(&self.key, path).await
    }

    /// GET a path under the base path with this key.
    pub async fn get_as(&self, key: &str, path: &str) -> Answer {
        self.send(self.request("GET", path).header("authorization", key)).await
    }

    /// POST a JSON text to a path under the base path, as the first caller.
    pub async fn post(&self, path: &str, body: &str) -> Answer {
        self.post_as(&self.key, path, body).await
    }

    /// POST a JSON text to a path under the base path with this key.
    pub async fn post_as(&self, key: &str, path: &str, body: &str) -> Answer {
        let request = self.request("POST", path).header("authorization", key);
        self.send(request.header("content-type", "application/json").body(body.to_owned())).await
    }

    /// A route's good request, as the first caller.
    pub async fn ask(&self, route: &Mirrored) -> Answer {
        self.ask_as(&self.key, route).await
    }

    /// A route's good request with this key.
    pub async fn ask_as(&self, key: &str, route: &Mirrored) -> Answer {
        match route.method {
            "GET" => self.get_as(key, route.path).await,
            _ => self.post_as(key, route.path, route.body).await,
        }
    }

    /// A request to a path under the base path, without a credential.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method.parse().unwrap(), format!("http://{}/api/v1{path}", self.address))
    }

    /// A request to any path of the public listener.
    pub fn request_at_root(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method.parse().unwrap(), format!("http://{}{path}", self.address))
    }

    /// Sends, and reads the answer to its end.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        answered(request, self.public(), self.plain_vendor()).await
    }

    /// Where answers are to be as they are described; `None` if this world serves other paths.
    fn public(&self) -> Option<SocketAddr> {
        let config = &self.config;
        (config.server.base_path == "/api/v1" && config.routes.is_empty()).then_some(self.address)
    }

    /// The vendor, if nothing stands between it and the gateway.
    fn plain_vendor(&self) -> Option<Simulator> {
        let is_plain = self.config.upstream.base_url == format!("http://{}/api/v1", self.vendor_address);
        is_plain.then(|| self.vendor.clone())
    }

    /// Sends in a task of its own: aborting it is a caller who hangs up.
    pub fn begin(&self, request: reqwest::RequestBuilder) -> JoinHandle<Answer> {
        tokio::spawn(answered(request, self.public(), self.plain_vendor()))
    }

    /// GET in a task of its own, as the first caller.
    pub fn begin_get(&self, path: &str) -> JoinHandle<Answer> {
        self.begin(self.request("GET", path).header("authorization", &self.key))
    }

    /// POST in a task of its own, as the first caller.
    pub fn begin_post(&self, path: &str, body: &str) -> JoinHandle<Answer> {
        let request = self.request("POST", path).header("authorization", &self.key);
        self.begin(request.header("content-type", "application/json").body(body.to_owned()))
    }

    /// Ends when as many requests are worked on as `limits.max_in_flight` allows, so that every one that was begun
    /// is known to have arrived.
    pub async fn is_full(&self) {
        while self.get("/auth/logout").await.status != 503 {}
    }

    /// Ends when there is room again.
    pub async fn has_room(&self) {
        while self.get("/auth/logout").await.status == 503 {}
    }

    /// Does `work` while time passes, for the pauses between tries.
    pub async fn passing<T>(&self, work: impl Future<Output = T>) -> T {
        let time = async {
            loop {
                for _ in 0..20 {
                    tokio::task::yield_now().await;
                    self.advance(Duration::from_millis(2));
                }
                // What other threads do, who look names up or write files, comes as far as this one's time.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            biased;
            done = work => done,
            () = time => unreachable!("it goes on for ever"),
        }
    }

    /// GET from the admin listener.
    pub async fn get_admin(&self, path: &str) -> Answer {
        let request = || self.request_admin("GET", path);
        match request().send().await {
            Ok(answer) => Answer::read(answer).await,
            // A kept connection may be ended just then, where a test has made that bound short.
            Err(_) => Answer::read(request().send().await.unwrap()).await,
        }
    }

    /// A request to the admin listener.
    pub fn request_admin(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method.parse().unwrap(), format!("http://{}{path}", self.admin))
    }

    /// POST a JSON text to the admin listener.
    pub async fn post_admin(&self, path: &str, body: &str) -> Answer {
        let request = self.request_admin("POST", path).header("content-type", "application/json");
        self.send(request.body(body.to_owned())).await
    }

    /// A metric's value, by its name without the prefix and with its labels; zero if it is not there.
    pub async fn metric(&self, name: &str) -> f64 {
        let told = self.get_admin("/metrics").await;
        assert_eq!(told.status, 200);
        let name = format!("wesal_gateway_{name} ");
        told.text().lines().find_map(|line| line.strip_prefix(&name)).map_or(0.0, |value| value.parse().unwrap())
    }

    /// Bytes as they are, on a connection of their own; the answer's bytes until the gateway closes.
    pub async fn raw(&self, bytes: &[u8]) -> String {
        self.raw_to(self.address, bytes).await
    }

    /// The same, to one of the two listeners.
    pub async fn raw_to(&self, address: SocketAddr, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        // A reset after the answer is the gateway's way to refuse the rest.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Lets time pass for the gateway and the vendor alike.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Calls that the vendor got on a route, by the simulator's name for it.
    pub fn vendor_calls(&self, route: &str) -> u64 {
        self.vendor.stats().calls(route)
    }

    /// Calls that the vendor got, logins apart, those to paths that it does not have included.
    pub fn vendor_calls_in_all(&self) -> u64 {
        let stats = self.vendor.stats();
        stats.total_calls() - stats.calls("login") + stats.unknown
    }

    /// The queues that the vendor was asked for, call by call.
    pub fn queues_asked(&self, route: &str) -> Vec<Vec<String>> {
        let queues = |body: &[u8]| {
            let body: serde_json::Value = serde_json::from_slice(body).unwrap();
            serde_json::from_value(body["queues"].clone()).unwrap()
        };
        self.vendor.requests(route).iter().map(|request| queues(&request.body)).collect()
    }

    /// Logins that the vendor got, good ones and refused ones.
    pub fn logins(&self) -> (u64, u64) {
        let stats = self.vendor.stats();
        (stats.logins_ok, stats.logins_refused)
    }

    /// Ends when the gateway has its first token: tests that count calls begin here.
    pub async fn logged_in(&self) {
        while !self.get_admin("/readyz").await.json()["ready"].as_bool().unwrap() {
            tokio::task::yield_now().await;
        }
    }

    /// The vendor goes away: its port refuses connections.
    pub async fn stop_vendor(&mut self) {
        drop(self.vendor_stop.take());
        if let Some(task) = self.vendor_task.take() {
            task.await.unwrap().unwrap();
            self.vendor_port = Some(ClosedPort::at(self.vendor_address).await);
        }
    }

    /// The port of a vendor that has gone away is open again.
    pub fn open_vendor_port(&mut self) -> tokio::net::TcpListener {
        self.vendor_port.take().expect("the vendor has gone away").open()
    }

    /// The vendor comes back, with all it knew.
    pub async fn restart_vendor(&mut self) {
        let listener = self.open_vendor_port();
        let (stop, task) = setup::serve_vendor(&self.vendor, listener);
        (self.vendor_stop, self.vendor_task) = (Some(stop), Some(task));
    }

    /// The gateway's process ends, and another begins with `self.config`. Nothing that was only in memory remains.
    pub async fn restart_gateway(&mut self) {
        self.tell_to_stop().await.unwrap();
        self.start_gateway().await;
    }

    /// The same, but the process is killed.
    pub async fn kill_gateway_and_start_again(&mut self) {
        let gateway = self.gateway.take().unwrap();
        gateway.abort();
        assert!(gateway.await.unwrap_err().is_cancelled());
        self.start_gateway().await;
    }

    /// The next process begins, with `self.config`.
    pub async fn start_gateway(&mut self) {
        let setup::Running { address, admin, reloader, stop, task } =
            setup::run(&self.config, &self.clock, self.file.as_deref()).await;
        (self.address, self.admin, self.reloader) = (address.unwrap(), admin.unwrap(), reloader);
        (self.stop, self.gateway) = (Some(stop), Some(task));
    }

    /// Tells the gateway to end, without waiting for it.
    pub fn tell_to_stop(&mut self) -> JoinHandle<Drained> {
        drop(self.stop.take());
        self.gateway.take().unwrap()
    }
}

/// Sends, reads the answer to its end, and holds it against its description if it comes from `public`.
async fn answered(request: reqwest::RequestBuilder, public: Option<SocketAddr>, vendor: Option<Simulator>) -> Answer {
    let (client, request) = request.build_split();
    let request = request.unwrap();
    let (method, url) = (request.method().clone(), request.url().clone());
    let answer = Answer::read(client.execute(request).await.unwrap()).await;
    if public.is_some_and(|public| url.authority() == public.to_string()) {
        let vendor_is_sane = vendor.is_some_and(|vendor| vendor.is_unmodified());
        described::hold(method.as_str(), url.path(), &answer, vendor_is_sane);
    }
    answer
}

impl Drop for World {
    fn drop(&mut self) {
        let gateway = self.gateway.take().map(|task| task.abort_handle());
        let vendor = self.vendor_task.take().map(|task| task.abort_handle());
        [gateway, vendor].into_iter().flatten().for_each(|task| task.abort());
    }
}
