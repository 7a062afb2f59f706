use std::{future::Future, sync::Arc, time::Duration};

use axum::{Router, extract::Request, response::Response};
use futures_util::FutureExt;
use tokio::{sync::watch, task::JoinSet};
use tower::ServiceExt;

use super::{
    bound::Bound,
    certificates::{Certificates, TlsError},
    listener::{Bounds, Door, Service},
    service_manager,
};
use crate::{
    admin::{self, Admin, Shown},
    clock::{SharedClock, SystemClock},
    config::{Config, ListenAddress},
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
    certificates: Option<Arc<Certificates>>,
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
struct Behind(Router);

impl Service for Behind {
    fn answer(&self, _: &Peer, request: Request) -> impl Future<Output = Response> + Send {
        self.0.clone().oneshot(request).map(|Ok(response)| response)
    }
}

fn remedy(reason: &std::io::Error) -> &'static str {
    match (reason.kind(), reason.raw_os_error()) {
        (std::io::ErrorKind::AddrInUse, Some(_)) => {
            "; another process listens there: end it, or set server.reuse_port = true for both, so that one can take over \
             from the other"
        }
        _ => "",
    }
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
    /// The public listener has no certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address} ({setting}): {reason}{}", remedy(reason))]
    Listen {
        /// The setting that names it.
        setting: &'static str,
        /// Which.
        address: ListenAddress,
        /// Why not.
        reason: std::io::Error,
    },
}

impl Gateway {
    /// Puts the parts together. Nothing is sent or listened on yet.
    pub fn new(config: &Config, clock: SharedClock) -> Result<Self, StartError> {
        let metrics = Arc::new(Metrics::new());
        let wesal = Wesal::new(&config.upstream, clock.clone(), Arc::clone(&metrics))?;
        let app = App::new(config, Arc::clone(&wesal), clock.clone(), metrics)?;
        let (ready, measured) = (Arc::clone(&app), Arc::clone(&app));
        let known = Arc::clone(&app);
        let admin = Admin::new(
            config.admin.token.clone(),
            Shown {
                readiness: Box::new(move || ready.readiness()),
                metrics: Box::new(move || measured.metrics()),
                callers: Box::new(move || known.callers()),
            },
        );
        Ok(Self {
            public: Public(Arc::clone(&app)),
            admin: Behind(admin::router(admin)),
            app,
            wesal,
            certificates: config.server.tls.as_ref().map(Certificates::load).transpose()?,
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
        Reloader(Arc::clone(&self.app))
    }

    /// Serves until `stop` completes, then drains.
    pub async fn serve(self, bound: Bound, stop: impl Future<Output = ()>) -> Drained {
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&self.wesal).keep_logged_in());
        tasks.spawn(tidy(Arc::clone(&self.app), self.clock.clone()));

        if let Some(certificates) = &self.certificates {
            tasks.spawn(Arc::clone(certificates).follow_files(self.clock.clone()));
        }

        // Sockets live in real time, whatever clock the answers are judged by.
        let real_time = SystemClock::shared();
        let (bounds, clock) = (&self.bounds, &real_time);
        let public = Door::open("public", bound.public, self.certificates, self.public, bounds.clone(), clock.clone());
        let admin =
            bound.admin.map(|socket| Door::open("admin", socket, None, self.admin, bounds.clone(), clock.clone()));

        let doors = std::iter::once(&public).chain(&admin).map(Door::pulse).collect();
        let (draining, is_draining) = watch::channel(false);
        tasks.spawn(service_manager::feed_the_watchdog(doors, is_draining, real_time.clone()));
        service_manager::ready();

        stop.await;
        self.app.enter(Lifecycle::Draining);
        draining.send_replace(true);
        service_manager::stopping();
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

/// Takes over another configuration while the gateway runs.
#[derive(Clone)]
pub struct Reloader(Arc<App>);

/// Every caller would be gone: the file is half written, or not the right one.
#[derive(Debug, thiserror::Error)]
#[error("it has no callers; nothing was changed")]
pub struct NoCallers;

impl Reloader {
    /// Takes over callers and limits; no request is lost.
    pub fn reload(&self, config: &Config) -> Result<(), NoCallers> {
        if config.callers.is_empty() && !self.0.callers().is_empty() {
            return Err(NoCallers);
        }
        self.0.set_callers(&config.callers, &config.limits.default);
        Ok(())
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
