//! A raw proxy between the gateway and the simulated vendor. It passes everything on, until it is told to do to a
//! route's calls what no decent HTTP server does.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};
use wesal_gateway::clock::{Clock, ManualClock};
use wesal_simulator::Fault;

use super::{
    acts::{Act, Asked, Came, Changed, http},
    closed_port::ClosedPort,
};

/// Stands where the gateway looks for the vendor. It ends when it is dropped.
pub struct FaultProxy {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    /// While it accepts.
    accepting: Option<JoinHandle<()>>,
    /// While it does not.
    closed: Option<ClosedPort>,
}

struct Shared {
    state: Mutex<State>,
    held: watch::Sender<bool>,
    arrivals: watch::Sender<HashMap<String, u64>>,
    behind: watch::Sender<Option<Behind>>,
    client: reqwest::Client,
}

#[derive(Default)]
struct State {
    next: HashMap<String, VecDeque<Act>>,
    always: HashMap<String, Act>,
    connections: u64,
    /// The latest credential that came with a call.
    credential: String,
}

#[derive(Clone)]
struct Behind {
    vendor: SocketAddr,
    clock: ManualClock,
}

struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn credential(&self) -> &str {
        let found = self.headers.iter().find(|(name, _)| name == "authorization");
        found.map_or("", |(_, value)| value)
    }
}

impl FaultProxy {
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            held: watch::Sender::new(false),
            arrivals: watch::Sender::default(),
            behind: watch::Sender::new(None),
            client: reqwest::Client::builder().no_proxy().no_gzip().tls_certs_only([]).build().unwrap(),
        });
        let address = listener.local_addr().unwrap();
        let accepting = Some(tokio::spawn(Arc::clone(&shared).accept(listener)));
        Self { address, shared, accepting, closed: None }
    }

    /// What it passes on goes there. Until it knows, calls wait.
    pub fn stands_before(&self, vendor: SocketAddr, clock: ManualClock) {
        self.shared.behind.send_replace(Some(Behind { vendor, clock }));
    }

    /// The next calls of a route, by the simulator's name for it, meet with these, in turn.
    pub fn next(&self, route: &str, acts: impl IntoIterator<Item = Act>) {
        self.shared.state().next.entry(route.to_owned()).or_default().extend(acts);
    }

    /// Every call of a route meets with this, once what is next is done.
    pub fn always(&self, route: &str, act: Act) {
        self.shared.state().always.insert(route.to_owned(), act);
    }

    /// All is passed on again. A call that is being dripped or kept waiting still is.
    pub async fn mend(&mut self) {
        {
            let mut state = self.shared.state();
            state.next.clear();
            state.always.clear();
        }
        if let Some(port) = self.closed.take() {
            self.accepting = Some(tokio::spawn(Arc::clone(&self.shared).accept(port.open())));
        }
    }

    /// Ends every connection, and refuses new ones.
    pub async fn refuse(&mut self) {
        let Some(accepting) = self.accepting.take() else { return };
        accepting.abort();
        let _ = accepting.await;
        self.closed = Some(ClosedPort::at(self.address).await);
    }

    /// Calls that arrive from now on wait.
    pub fn hold(&self) {
        self.shared.held.send_replace(true);
    }

    /// They wait no longer.
    pub fn release(&self) {
        self.shared.held.send_replace(false);
    }

    /// How many calls of a route have arrived.
    pub fn calls(&self, route: &str) -> u64 {
        self.shared.arrivals.borrow().get(route).copied().unwrap_or_default()
    }

    /// Ends when that many calls of a route have arrived.
    pub async fn arrived(&self, route: &str, count: u64) {
        let enough = |calls: &HashMap<String, u64>| calls.get(route).is_some_and(|calls| *calls >= count);
        self.shared.arrivals.subscribe().wait_for(enough).await.unwrap();
    }

    /// The token that came with the latest call; empty if none did.
    pub fn token(&self) -> String {
        self.shared.state().credential.clone()
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> u64 {
        self.shared.state().connections
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
        }
    }
}

/// The simulator's name for the route of a path.
fn route(target: &str) -> String {
    let path = target.split('?').next().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    if path.contains("/questions/") { "questions".to_owned() } else { last.to_owned() }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    async fn accept(self: Arc<Self>, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let (stream, _) = accepted.unwrap();
                    let number = {
                        let mut state = self.state();
                        state.connections += 1;
                        state.connections
                    };
                    connections.spawn(Arc::clone(&self).serve(stream, number));
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }

    /// Takes the calls of one connection. Whatever breaks it ends it: clients leave when they like.
    async fn serve(self: Arc<Self>, mut stream: TcpStream, connection: u64) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        while let Some(request) = read(&mut stream).await? {
            let route = route(&request.target);
            request.credential().clone_into(&mut self.state().credential);
            self.arrivals.send_modify(|calls| *calls.entry(route.clone()).or_default() += 1);
            let _ = self.held.subscribe().wait_for(|held| !held).await;
            let body = String::from_utf8_lossy(&request.body);
            let asked = Asked { target: &request.target, body: &body, connection };
            let act = self.act(&route).resolve(&asked);
            match act {
                Act::When(..) => unreachable!("it is resolved"),
                Act::Pass => stream.write_all(&self.pass_on(request, None, None).await).await?,
                Act::Change(change) => stream.write_all(&self.pass_on(request, None, Some(&*change)).await).await?,
                Act::Simulate(fault) => stream.write_all(&self.pass_on(request, Some(fault), None).await).await?,
                Act::Make(make) => {
                    let at = self.behind().await.clock.wall();
                    let came = Came { credential: request.credential().to_owned(), at };
                    stream.write_all(&make(&came)).await?;
                }
                Act::Write(bytes) => {
                    stream.write_all(&bytes).await?;
                    stream.shutdown().await?;
                    return until_left(stream).await;
                }
                Act::WriteAndReset(bytes) => {
                    stream.write_all(&bytes).await?;
                    // So that what was written is read before the reset overtakes it.
                    for _ in 0..200 {
                        tokio::task::yield_now().await;
                    }
                    stream.set_zero_linger()?;
                    return Ok(());
                }
                Act::Silence => {
                    // A test counts the memory that is in use.
                    drop(request);
                    return until_left(stream).await;
                }
                Act::Drip(bytes) => {
                    let clock = self.behind().await.clock;
                    for byte in bytes {
                        stream.write_all(&[byte]).await?;
                        clock.sleep(Duration::from_secs(1)).await;
                    }
                    return until_left(stream).await;
                }
            }
        }
        Ok(())
    }

    fn act(&self, route: &str) -> Act {
        let mut state = self.state();
        let next = state.next.get_mut(route).and_then(VecDeque::pop_front);
        next.or_else(|| state.always.get(route).cloned()).unwrap_or(Act::Pass)
    }

    async fn behind(&self) -> Behind {
        self.behind.subscribe().wait_for(Option::is_some).await.unwrap().clone().unwrap()
    }

    async fn pass_on(&self, request: Request, fault: Option<Fault>, change: Option<&Changed>) -> Bytes {
        let url = format!("http://{}{}", self.behind().await.vendor, request.target);
        let mut call = self.client.request(request.method.parse().unwrap(), url).body(request.body);
        for (name, value) in request.headers {
            call = call.header(name, value);
        }
        if let Some(fault) = fault {
            call = call.header("x-simulate-fault", fault.name());
        }
        let Ok(answer) = call.send().await else { return http("599 No vendor", &[], "") };
        let status = answer.status().as_u16();
        let kept = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
            let kept = ["content-type", "content-encoding", "retry-after", "location"].contains(&name.as_str());
            kept.then(|| format!("{name}: {}", value.to_str().unwrap()))
        };
        let headers: Vec<_> = answer.headers().iter().filter_map(kept).collect();
        let body = answer.bytes().await.unwrap_or_default().to_vec();
        let body = match change {
            Some(change) => change(String::from_utf8(body).unwrap()),
            None => body,
        };
        let headers: Vec<_> = headers.iter().map(String::as_str).collect();
        http(&format!("{status} Passed on"), &headers, body)
    }
}

/// Says nothing more, and waits for the client to leave: closing earlier would be a reset, if something was unread.
async fn until_left(mut stream: TcpStream) -> std::io::Result<()> {
    while stream.read(&mut [0; 1024]).await? > 0 {}
    Ok(())
}

/// One request, or nothing if the client left instead.
async fn read(stream: &mut TcpStream) -> std::io::Result<Option<Request>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap().split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut headers: Vec<_> = lines.filter_map(header).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, length)| length.parse().unwrap());
    let mut body = bytes[end + 4..].to_vec();
    while body.len() < length {
        if stream.read_buf(&mut body).await? == 0 {
            return Ok(None);
        }
    }
    headers.retain(|(name, _)| !["host", "content-length", "connection", "accept-encoding"].contains(&name.as_str()));
    Ok(Some(Request { method, target, headers, body }))
}
