use std::{
    net::SocketAddr,
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use jiff::SignedDuration;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use wesal_gateway::{
    auth::ApiKey,
    clock::{Clock, ManualClock, SharedClock},
    config::{CallerConfig, Config, Environment, KeyHash, RateLimit, Secret, Source},
    model::{CallerName, CompanyId, QueueId, Scope},
    server::{Bound, Drained, Gateway, Reloader},
};
use wesal_simulator::{Options, Simulator};

use super::{FaultProxy, World};

/// When every test begins.
const BEGINNING: &str = "2026-11-22T12:00:00Z";

/// What a world is made of, before it runs.
pub struct Setup {
    pub config: Config,
    pub vendor: Options,
    /// How far the vendor's clock is off.
    pub vendor_clock_off: SignedDuration,
    /// Stands between the gateway and the vendor.
    pub proxy: Option<FaultProxy>,
    /// Where the gateway looks for the vendor, if not where it is.
    pub base_url: Option<String>,
    /// The file that the settings are read again from, and that is written before the start.
    pub file: Option<PathBuf>,
    key: String,
}

/// One more caller, in words.
pub struct CallerSetup(CallerConfig);

impl Default for Setup {
    fn default() -> Self {
        let mut config = Config::default();
        config.server.listen = "127.0.0.1:0".parse().unwrap();
        config.admin.listen = Some("127.0.0.1:0".parse().unwrap());
        // Tests come faster than callers do; those about limits set their own.
        config.limits.default = rate(100_000, 1, 100_000);
        config.upstream.rate_limit = rate(100_000, 1, 100_000);
        let mut setup = Self {
            config,
            vendor: Options::default(),
            vendor_clock_off: SignedDuration::ZERO,
            proxy: None,
            base_url: None,
            file: None,
            key: String::new(),
        };
        setup.key = setup.caller("app", |_| {});
        setup
    }
}

/// `requests` a `seconds`, `burst` at once.
pub fn rate(requests: u32, seconds: u64, burst: u32) -> RateLimit {
    let requests = NonZeroU32::new(requests).unwrap();
    RateLimit { requests, per: Duration::from_secs(seconds), burst: NonZeroU32::new(burst) }
}

impl Setup {
    /// Adds a caller with every scope, changed by `change`; gives its key.
    pub fn caller(&mut self, name: &str, change: impl FnOnce(&mut CallerSetup)) -> String {
        let key = ApiKey::generate().unwrap();
        let mut caller = CallerSetup(CallerConfig {
            name: CallerName::try_from(name.to_owned()).unwrap(),
            key_hashes: vec![KeyHash::new(key.hash())],
            scopes: Scope::ALL.to_vec(),
            companies: None,
            queues: None,
            rate_limit: None,
            expires: None,
            enabled: true,
            may_refresh: false,
            login: None,
        });
        change(&mut caller);
        self.config.callers.push(caller.0);
        key.expose().to_owned()
    }

    /// Runs it.
    pub async fn start(mut self) -> World {
        let clock = ManualClock::at(BEGINNING.parse().unwrap());
        let vendor_clock = clock.clone();
        let off = self.vendor_clock_off;
        self.vendor.now = Arc::new(move || (vendor_clock.wall() + off).into());
        let vendor = Simulator::new(self.vendor);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let vendor_address = listener.local_addr().unwrap();
        let (vendor_stop, vendor_task) = serve_vendor(&vendor, listener);

        let mut config = self.config;
        let credentials = vendor.credentials();
        let upstream = &mut config.upstream;
        let in_front = self.proxy.as_ref().map_or(vendor_address, |proxy| proxy.address);
        upstream.base_url = self.base_url.unwrap_or_else(|| format!("http://{in_front}/api/v1"));
        if let Some(proxy) = &self.proxy {
            proxy.stands_before(vendor_address, clock.clone());
        }
        for (secret, text) in [
            (&mut upstream.client_id, credentials.client_id),
            (&mut upstream.email, credentials.email),
            (&mut upstream.password, credentials.password),
        ] {
            if secret.is_empty() {
                *secret = Secret::new(&text);
            }
        }
        let Running { address, admin, reloader, stop, task } = run(&config, &clock, self.file.as_deref()).await;
        World {
            vendor,
            clock,
            address: address.unwrap(),
            admin: admin.unwrap(),
            vendor_address,
            key: self.key,
            config,
            reloader,
            proxy: self.proxy,
            file: self.file,
            client: reqwest::Client::builder()
                .no_proxy()
                .tls_certs_only([])
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
            stop: Some(stop),
            gateway: Some(task),
            vendor_stop: Some(vendor_stop),
            vendor_task: Some(vendor_task),
            vendor_port: None,
        }
    }
}

/// A gateway's process, as far as a test needs it.
pub struct Running {
    /// Where it listens, if on the network.
    pub address: Option<SocketAddr>,
    pub admin: Option<SocketAddr>,
    pub reloader: Reloader,
    pub stop: oneshot::Sender<()>,
    pub task: JoinHandle<Drained>,
}

pub async fn run(config: &Config, clock: &ManualClock, file: Option<&Path>) -> Running {
    run_by(config, Arc::new(clock.clone()), file).await
}

/// The same by another clock.
pub async fn run_by(config: &Config, clock: SharedClock, file: Option<&Path>) -> Running {
    let bound = Bound::bind(config).await.unwrap();
    let (address, admin) = (bound.public_address(), bound.admin_address());
    let gateway = Gateway::new(config, clock).unwrap();
    let reloader = gateway.reloader();
    if let Some(file) = file {
        // As it stands, where a test has put something else there on purpose.
        if !file.exists() {
            std::fs::write(file, text_of(config)).unwrap();
        }
        let source = Source::new(file, Environment::empty());
        let read = source.fingerprint();
        gateway.reload_from(source, read);
    }
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(gateway.serve(bound, async {
        let _ = stopped.await;
    }));
    Running { address, admin, reloader, stop, task }
}

/// The settings as a file, with their secrets.
pub fn text_of(config: &Config) -> String {
    let mut text = config.effective();
    let upstream = &config.upstream;
    for (name, secret) in
        [("client_id", &upstream.client_id), ("email", &upstream.email), ("password", &upstream.password)]
    {
        let line = match secret.file() {
            Some(file) => format!("{name}_file = {:?}\n", file.display().to_string()),
            None => format!("{name} = {:?}\n", secret.expose()),
        };
        let lines =
            text.split_inclusive('\n').map(|old| if old.starts_with(&format!("{name} = ")) { &line } else { old });
        text = lines.collect();
    }
    text
}

type Served = JoinHandle<std::io::Result<()>>;

pub fn serve_vendor(vendor: &Simulator, listener: TcpListener) -> (oneshot::Sender<()>, Served) {
    let (stop, stopped) = oneshot::channel::<()>();
    let vendor = vendor.clone();
    let task = tokio::spawn(vendor.serve(listener, async {
        let _ = stopped.await;
    }));
    (stop, task)
}

impl CallerSetup {
    /// Gives it one more key.
    pub fn one_more_key(&mut self) -> String {
        let key = ApiKey::generate().unwrap();
        self.0.key_hashes.push(KeyHash::new(key.hash()));
        key.expose().to_owned()
    }

    pub fn scopes(&mut self, scopes: &[Scope]) {
        self.0.scopes = scopes.to_vec();
    }

    pub fn companies(&mut self, companies: &[u64]) {
        self.0.companies = Some(companies.iter().map(|id| CompanyId::try_from(*id).unwrap()).collect());
    }

    pub fn queues(&mut self, queues: &[&str]) {
        self.0.queues = Some(queues.iter().map(|id| QueueId::try_from((*id).to_owned()).unwrap()).collect());
    }

    pub fn rate_limit(&mut self, limit: RateLimit) {
        self.0.rate_limit = Some(limit);
    }

    pub fn expires(&mut self, when: &str) {
        self.0.expires = Some(when.parse().unwrap());
    }

    pub fn may_refresh(&mut self) {
        self.0.may_refresh = true;
    }

    pub fn disabled(&mut self) {
        self.0.enabled = false;
    }

    pub fn login(&mut self, login: &str) {
        self.0.login = Some(login.to_owned());
    }
}
