use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use axum::{extract::Request, response::Response};
use tokio::{net::TcpListener, task::JoinSet};

use super::{
    listener::{Bounds, Door, Service},
    operate::Process,
    reload::Reloader,
};
use crate::{
    admin::Admin,
    clock::{SharedClock, SystemClock},
    config::{Config, Fingerprint, Source},
    http::{self, App, Lifecycle, Peer},
    telemetry::{Metrics, events},
    upstream::{self, Wesal},
};

/// How long those who are cut off have to read that they are.
const LAST_WORDS: Duration = Duration::from_secs(1);
const TIDY_EACH: Duration = Duration::from_secs(1);
const TIDIES_A_SWEEP: u32 = 20;

/// Everything, put together for one configuration; it serves nothing yet.
pub struct Gateway {
    app: Arc<App>,
    wesal: Arc<Wesal>,
    public: Public,
    admin: Behind,
    reloader: Reloader,
    bounds: Bounds,
    drain_delay: Duration,
    drain_timeout: Duration,
    clock: SharedClock,
}

/// Callers' requests.
#[derive(Clone)]
struct Public(Arc<App>);

impl Service for Public {
    fn answer(&self, peer: &Peer, request: Request) -> impl Future<Output = Response> + Send {
        http::answer(&self.0, peer, request)
    }
}

/// Operators' requests.
#[derive(Clone)]
struct Behind(Admin);

impl Service for Behind {
    fn answer(&self, _: &Peer, request: Request) -> impl Future<Output = Response> + Send {
        self.0.answer(request)
    }
}

/// The sockets of one configuration.
pub struct Bound {
    public: TcpListener,
    admin: Option<TcpListener>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that `server.drain_timeout` cut off.
    pub cut_off: usize,
}

/// Why it cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The vendor's side refuses its settings.
    #[error(transparent)]
    Upstream(#[from] upstream::StartError),
    /// The system has no entropy.
    #[error("the system gives no random numbers: {0}")]
    Entropy(#[from] getrandom::Error),
    /// An address cannot be listened on.
    #[error("cannot listen on {address} ({setting}): {reason}")]
    Listen {
        /// The setting that names it.
        setting: &'static str,
        /// Which.
        address: SocketAddr,
        /// Why not.
        reason: std::io::Error,
    },
}

impl Bound {
    /// Listens on `server.listen` and `admin.listen`.
    pub async fn bind(config: &Config) -> Result<Self, StartError> {
        let public = bind("server.listen", config.server.listen).await?;
        let admin = match config.admin.listen {
            Some(address) => Some(bind("admin.listen", address).await?),
            None => None,
        };
        Ok(Self { public, admin })
    }

    /// Where callers reach it, if the socket can say.
    pub fn public_address(&self) -> Option<SocketAddr> {
        self.public.local_addr().ok()
    }

    /// Where operators reach it.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref()?.local_addr().ok()
    }
}

async fn bind(setting: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|reason| StartError::Listen { setting, address, reason })
}

impl Gateway {
    /// Puts the parts together. Nothing is sent or listened on yet.
    pub fn new(config: &Config, clock: SharedClock) -> Result<Self, StartError> {
        let metrics = Arc::new(Metrics::new());
        let wesal = Wesal::new(&config.upstream, clock.clone(), Arc::clone(&metrics))?;
        let app = App::new(config, Arc::clone(&wesal), clock.clone(), Arc::clone(&metrics))?;
        let reloader = Reloader::new(config, &app, &wesal, metrics, clock.clone());
        let operator = Arc::new(Process { app: Arc::clone(&app), reloader: reloader.clone() });
        // Its bodies come in real time, as its sockets' bytes do.
        let admin = Admin::new(config.admin.token.clone(), operator, SystemClock::shared());
        Ok(Self {
            public: Public(Arc::clone(&app)),
            admin: Behind(admin),
            app,
            wesal,
            reloader,
            bounds: Bounds {
                max_connections: config.server.max_connections.get(),
                header_timeout: config.server.header_timeout,
                idle_timeout: config.server.idle_timeout,
                proxies: config.server.trusted_proxies.as_slice().into(),
            },
            drain_delay: config.server.drain_delay,
            drain_timeout: config.server.drain_timeout,
            clock,
        })
    }

    /// What takes over another configuration while the gateway runs.
    pub fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// From now on the configuration can be read again, and is when it changes: `read` tells what it was when it was read.
    pub fn reload_from(&self, source: Source, read: Fingerprint) {
        self.reloader.read_from(source, read);
    }

    /// Serves until `stop` completes, then drains.
    pub async fn serve(self, bound: Bound, stop: impl Future<Output = ()>) -> Drained {
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&self.wesal).keep_logged_in());
        tasks.spawn(tidy(Arc::clone(&self.app), self.clock.clone()));
        tasks.spawn(self.reloader.clone().watch());

        // Sockets live in real time, whatever clock the answers are judged by.
        let real_time = SystemClock::shared();
        let public = Door::open("public", bound.public, self.public, self.bounds.clone(), real_time.clone());
        let admin =
            bound.admin.map(|socket| Door::open("admin", socket, self.admin, self.bounds.clone(), real_time.clone()));

        stop.await;
        self.app.enter(Lifecycle::Draining);
        events::draining(self.app.requests_in_flight());
        real_time.sleep(self.drain_delay).await;
        let (app, last_words) = (&self.app, LAST_WORDS);
        let cut_off = public.close(self.drain_timeout, || app.enter(Lifecycle::Ended), last_words).await;
        // Last, so that the drain can be watched.
        if let Some(admin) = admin {
            admin.close(last_words, || {}, Duration::ZERO).await;
        }
        events::drained(cut_off);
        Drained { cut_off }
    }
}

async fn tidy(app: Arc<App>, clock: SharedClock) {
    loop {
        for _ in 0..TIDIES_A_SWEEP {
            clock.sleep(TIDY_EACH).await;
            app.tidy();
        }
        let swept = Arc::clone(&app);
        // It walks over all that is held, which may be much: not on a thread that answers.
        let _ = tokio::task::spawn_blocking(move || swept.sweep()).await;
    }
}
