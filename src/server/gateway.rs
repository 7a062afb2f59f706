use std::{future::Future, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use serde_json::Value;
use tokio::{
    sync::{Semaphore, oneshot, watch},
    task::JoinSet,
};

use super::{
    bound::Bound,
    certificates::Certificates,
    connection::{Bounds, MAX_STRANGER_ANSWERS, MAX_STRANGER_BLOCKS},
    listener::{Door, LAST_CALL},
    reload::{Refused, Reloader},
    service_manager,
    start_error::StartError,
    vitals::House,
};
use crate::{
    admin::{self, AdminState, ConfigControl, ReloadRejected},
    clock::{SharedClock, SystemClock, before},
    config::{Config, Fingerprint, Secret, Source},
    http::{self, AppState, Lifecycle},
    telemetry::{LAST_LINES, Metrics, Traces, events, traces::Exporter},
    upstream::Wesal,
};

/// How long those who are cut off have to read that they are.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long a login that is under way has to end, after everything else has.
const LOGIN_ENDS: Duration = Duration::from_secs(5);
/// How long the collector of traces has to take the last of them.
const LAST_SPANS: Duration = Duration::from_secs(2);
/// How long an end may take beside `server.drain_delay` and `server.drain_timeout`: what comes after them, one after the other,
/// at each of the two listeners the last call, and the log's. Whoever ends the process by force has to wait that much longer.
pub const LAST_STEPS: Duration = LAST_CALL
    .saturating_mul(2)
    .saturating_add(LAST_WORDS.saturating_mul(2))
    .saturating_add(LAST_SPANS)
    .saturating_add(LOGIN_ENDS)
    .saturating_add(LAST_LINES);
/// Connections of operators, at most: they must not take the callers' descriptors.
const OPERATORS_CONNECTIONS: usize = 256;
const TIDY_EACH: Duration = Duration::from_secs(1);
const TIDIES_A_SWEEP: u32 = 20;
const TIDIES_A_SAMPLE: u32 = 10;

/// Everything, put together for one configuration; it serves nothing yet.
pub struct Gateway {
    app: Arc<AppState>,
    wesal: Arc<Wesal>,
    admin: Arc<AdminState>,
    admin_token: Secret,
    certificates: Option<Arc<Certificates>>,
    reloader: Reloader,
    metrics: Arc<Metrics>,
    bounds: Bounds,
    exporter: Exporter,
    drain_delay: Duration,
    drain_timeout: Duration,
    clock: SharedClock,
}

/// The reloader, for operators.
struct ReloaderControl(Reloader);

impl ConfigControl for ReloaderControl {
    fn status(&self) -> Value {
        // Structs of texts and numbers always have a form in JSON.
        serde_json::to_value(self.0.standing()).unwrap_or_default()
    }

    fn reload(&self) -> BoxFuture<'static, Result<Vec<String>, ReloadRejected>> {
        let reloader = self.0.clone();
        let rejected = |refused: Refused| match refused {
            Refused::UnderWay => ReloadRejected::InProgress,
            other => ReloadRejected::Faults(other.said()),
        };
        async move { reloader.reload_files().await.map_err(rejected) }.boxed()
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that `server.drain_timeout` cut off with a request that was begun and not finished.
    pub cut_off: usize,
}

impl Gateway {
    /// Puts the parts together. Nothing is sent or listened on yet.
    pub fn new(config: &Config, clock: SharedClock) -> Result<Self, StartError> {
        let further = http::custom_routes(&config.routes);
        let metrics = Arc::new(Metrics::of(&further));
        let wesal = Wesal::new(&config.upstream, clock.clone(), Arc::clone(&metrics))?;
        let (traces, exporter) = Traces::new(config, clock.clone(), Arc::clone(&metrics))?;
        let app = AppState::new(config, further, Arc::clone(&wesal), clock.clone(), Arc::clone(&metrics), traces)?;
        let reloader = Reloader::new(config, &app, &wesal, Arc::clone(&metrics), clock.clone());
        let admin = AdminState::new(Arc::clone(&app), Arc::new(ReloaderControl(reloader.clone())));
        let tls = config.server.tls.as_ref();
        Ok(Self {
            admin,
            admin_token: config.admin.token.clone(),
            certificates: tls.map(|files| Certificates::load(files, Arc::clone(&app))).transpose()?,
            app,
            wesal,
            reloader,
            bounds: Bounds {
                max_connections: config.server.max_connections.get(),
                header_timeout: config.server.header_timeout,
                idle_timeout: config.server.idle_timeout,
                proxies: config.server.trusted_proxies.as_slice().into(),
                stranger_answers: Arc::new(Semaphore::new(MAX_STRANGER_ANSWERS)),
                stranger_blocks: Arc::new(Semaphore::new(MAX_STRANGER_BLOCKS)),
                metrics: Some(Arc::clone(&metrics)),
            },
            metrics,
            exporter,
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
        let (last_spans, end_of_spans) = oneshot::channel::<()>();
        let mut exporting = JoinSet::new();
        exporting.spawn(self.exporter.run(async {
            let _ = end_of_spans.await;
        }));

        // Sockets live in real time, whatever clock the answers are judged by.
        let real_time = SystemClock::shared();
        let mut house = House::new(Arc::clone(&self.metrics), real_time.clone());
        let (wesal, app, clock) = (Arc::clone(&self.wesal), Arc::clone(&self.app), self.clock.clone());
        let keeping_logged_in = house.keep("login", move || Arc::clone(&wesal).keep_logged_in());
        let refreshed = Arc::clone(&app);
        house.keep("refresh_ahead", move || Arc::clone(&refreshed).refresh_ahead());
        let tidied = Arc::clone(&self.admin);
        house.keep("tidy", move || tidy(Arc::clone(&app), Arc::clone(&tidied), clock.clone()));
        let broadcasting = Arc::clone(&self.admin);
        house.keep("live", move || Arc::clone(&broadcasting).broadcast_status());
        if let Some(certificates) = self.certificates.clone() {
            let clock = self.clock.clone();
            house.keep("certificates", move || Arc::clone(&certificates).follow_files(clock.clone()));
        }

        let (bounds, clock) = (&self.bounds, real_time.clone());
        let public = Door::open(
            "public",
            bound.public,
            self.certificates,
            http::service(&self.app),
            bounds.clone(),
            clock.clone(),
        );
        // Operators are not counted among the callers.
        let most = operators_connections(bounds.max_connections);
        let behind = Bounds { metrics: None, max_connections: most, ..bounds.clone() };
        let admin = bound.admin.map(|socket| {
            Door::open("admin", socket, None, admin::service(&self.admin, &self.admin_token), behind, clock.clone())
        });

        let doors: Vec<_> = std::iter::once(&public).chain(&admin).map(|door| (door.what(), door.pulse())).collect();
        let watched = house.watch(doors.clone());
        let (draining, is_draining) = watch::channel(false);
        let watchdog = move || service_manager::feed_the_watchdog(doors.clone(), is_draining.clone(), clock.clone());
        house.keep("watchdog", watchdog);
        before(real_time.as_ref(), real_time.now().after(service_manager::HEARD), service_manager::ready()).await;
        // After that, and not into the drain: the service manager is told of one thing after the other.
        let reloader = self.reloader;
        let following = house.keep("reload", move || reloader.clone().watch());

        stop.await;
        following.abort();
        // Accept loops end now.
        watched.abort();
        self.app.enter(Lifecycle::Draining);
        draining.send_replace(true);
        let mut telling = JoinSet::new();
        telling.spawn(service_manager::stopping());
        let told_by = real_time.now().after(service_manager::HEARD);
        events::draining(self.app.requests_in_flight());
        real_time.sleep(self.drain_delay).await;
        let (app, last_words) = (&self.app, LAST_WORDS);
        let cut_off = public.close(self.drain_timeout, || app.enter(Lifecycle::Ended), last_words).await;
        drop(last_spans);
        if before(real_time.as_ref(), real_time.now().after(LAST_SPANS), exporting.join_next()).await.is_none() {
            events::traces_cut_off();
        }
        // Last, so that the drain can be watched.
        if let Some(admin) = admin {
            self.admin.close_streams();
            admin.close(last_words, || {}, Duration::ZERO).await;
        }
        // Where the end comes first, the login counts as refused: a process that starts now waits before it asks.
        keeping_logged_in.abort();
        let settled = self.wesal.login_settled();
        before(real_time.as_ref(), real_time.now().after(LOGIN_ENDS), settled).await;
        // A drain may be over before the notification of its begin was sent.
        before(real_time.as_ref(), told_by, telling.join_next()).await;
        events::drained(cut_off);
        Drained { cut_off }
    }
}

/// How many connections operators may have where callers may have so many.
pub(super) fn operators_connections(callers: usize) -> usize {
    callers.min(OPERATORS_CONNECTIONS)
}

async fn tidy(app: Arc<AppState>, admin: Arc<AdminState>, clock: SharedClock) {
    loop {
        for tidied in 1..=TIDIES_A_SWEEP {
            clock.sleep(TIDY_EACH).await;
            app.tidy();
            // Both look at all that there is, which may be much: not on a thread that answers.
            let looking = Arc::clone(&admin);
            if tidied % TIDIES_A_SAMPLE == 0 {
                let _ = tokio::task::spawn_blocking(move || looking.sample_traffic()).await;
            }
        }
        let swept = Arc::clone(&app);
        let _ = tokio::task::spawn_blocking(move || swept.sweep()).await;
    }
}
