use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use arc_swap::ArcSwap;
use axum::http::HeaderMap;
use ipnet::IpNet;
use jiff::Timestamp;
use tokio::sync::watch;

use super::{
    certificate_validity::CertificateValidity,
    client_address::client_address,
    config_snapshot::ConfigSnapshot,
    recent_errors::RecentErrors,
    route_table::{Endpoint, RouteTable},
    settings::Settings,
    warnings::{Warning, Warnings},
};
use crate::{
    auth::{AuthFailure, Caller, ConnectionAuthCache, SessionError, Sessions},
    clock::{Moment, SharedClock},
    config::Config,
    fetch::{Held, Parts, Purge, Readiness, Watched},
    limits::InFlightLimit,
    model::{Further, Route},
    telemetry::{
        Metrics, Traces,
        metrics::{Figures, Present, RequestCounters},
    },
    upstream::{BreakerState, LoginState, Vendor, Wesal},
};

/// Why an operator's credential is refused, for logs and metrics.
pub(crate) const ADMIN_TOKEN: &str = "admin_token";

/// Logins of callers that are processed concurrently. Their bodies come from strangers.
const MAX_LOGINS: usize = 64;

/// What the handlers share.
pub struct AppState {
    pub(crate) settings: Settings,
    known: ArcSwap<ConfigSnapshot>,
    pub(crate) sessions: Sessions,
    pub(crate) parts: Parts,
    watched: Watched,
    pub(crate) wesal: Arc<Wesal>,
    pub(crate) clock: SharedClock,
    pub(crate) in_flight: InFlightLimit,
    /// Apart, so that those who have shown no key yet cannot take the places of those who have.
    pub(crate) logins: InFlightLimit,
    pub(crate) started: Moment,
    pub(crate) started_at: Timestamp,
    lifecycle: watch::Sender<Lifecycle>,
    pub(crate) warnings: Warnings,
    pub(crate) recent_errors: RecentErrors,
    pub(crate) metrics: Arc<Metrics>,
    pub(super) traces: Traces,
}

/// Where the process is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lifecycle {
    /// It serves.
    Serving,
    /// It serves, and is not ready: balancers should look elsewhere.
    Draining,
    /// What is not finished now is cut off.
    Ended,
}

/// The other end of a connection.
pub struct ClientInfo {
    address: IpAddr,
    proxies: Arc<[IpNet]>,
    pub(super) auth_cache: ConnectionAuthCache,
    is_authenticated: AtomicBool,
    pub(super) counters: RequestCounters,
}

impl Default for ClientInfo {
    /// A client whose address is not known.
    fn default() -> Self {
        Self::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), Vec::new().into())
    }
}

impl ClientInfo {
    /// The client at `address`. A client that is one of `proxies` names others (`server.trusted_proxies`).
    pub fn new(address: IpAddr, proxies: Arc<[IpNet]>) -> Self {
        Self {
            address,
            proxies,
            auth_cache: ConnectionAuthCache::default(),
            is_authenticated: AtomicBool::new(false),
            counters: RequestCounters::default(),
        }
    }

    /// Whether a credential was accepted on the connection.
    pub fn is_authenticated(&self) -> bool {
        self.is_authenticated.load(Ordering::Relaxed)
    }

    /// Records that a credential was accepted on the connection.
    pub fn set_authenticated(&self) {
        // Loaded first: a connection accepts credentials at each request, and a store takes the cache line for itself.
        if !self.is_authenticated() {
            self.is_authenticated.store(true, Ordering::Relaxed);
        }
    }

    /// Where a request comes from.
    pub fn address(&self, headers: &HeaderMap) -> IpAddr {
        client_address(self.address, headers, &self.proxies)
    }
}

impl AppState {
    /// The state for `config`, whose `routes` are the `further` ones, asking `wesal`.
    ///
    /// # Errors
    /// The system has no entropy.
    pub fn new(
        config: &Config,
        further: Vec<&'static Further>,
        wesal: Arc<Wesal>,
        clock: SharedClock,
        metrics: Arc<Metrics>,
        traces: Traces,
    ) -> Result<Arc<Self>, SessionError> {
        metrics.expect_auth_failures(AuthFailure::ALL.map(AuthFailure::as_str));
        metrics.expect_auth_failures([ADMIN_TOKEN]);
        let gauges = &config.telemetry.queue_gauges;
        Ok(Arc::new(Self {
            settings: Settings {
                table: RouteTable::new(config.server.base_path.clone(), further),
                max_body: usize::try_from(config.server.max_body.bytes()).unwrap_or(usize::MAX),
                body_timeout: config.server.body_timeout,
                forward_query: config.upstream.forward_query.clone(),
                forward_fields: config.upstream.forward_fields.clone(),
            },
            known: ArcSwap::from_pointee(ConfigSnapshot::new(config, &clock, None)),
            sessions: Sessions::new(&config.sessions)?,
            parts: Parts::new(config, wesal.clone(), clock.clone(), Arc::clone(&metrics), traces.clone()),
            watched: Watched::new(gauges.queues.clone(), gauges.fields.clone()),
            wesal,
            in_flight: InFlightLimit::new(config.limits.max_in_flight.get()),
            logins: InFlightLimit::new(MAX_LOGINS),
            started: clock.now(),
            started_at: clock.wall(),
            clock,
            lifecycle: watch::Sender::new(Lifecycle::Serving),
            warnings: Warnings::default(),
            recent_errors: RecentErrors::default(),
            metrics,
            traces,
        }))
    }

    /// From now on the callers, limits and freshness of `config` hold. Requests that are worked on finish as they began.
    pub fn apply_config(&self, config: &Config) {
        let before = self.known.load();
        self.known.store(Arc::new(ConfigSnapshot::new(config, &self.clock, Some(&before))));
        self.in_flight.set_limit(config.limits.max_in_flight.get());
        self.parts.apply_config(config);
    }

    /// What there is to tell of each caller.
    pub fn callers(&self) -> Vec<Arc<Caller>> {
        self.known.load().callers.all().to_vec()
    }

    /// The route whose answers are kept that has this template.
    pub fn cacheable_route(&self, template: &str) -> Option<Route> {
        self.cacheable_routes().find(|route| route.template() == template)
    }

    /// The routes whose answers may be kept.
    pub(crate) fn cacheable_routes(&self) -> impl Iterator<Item = Route> {
        self.settings.table.all().filter_map(|endpoint| match endpoint {
            Endpoint::Mirrored(route) if !route.is_of_account() => Some(route),
            _ => None,
        })
    }

    /// Purges what `purge` means, and gives how many parts were held of it. Looks at all that is held: not for a thread that
    /// answers.
    pub fn purge(&self, purge: &Purge) -> u64 {
        self.parts.purge(purge)
    }

    /// Returns the active warnings, in the order of [`Warning::ALL`].
    pub(crate) fn warnings(&self) -> Vec<Warning> {
        self.warnings.active(self.wesal.login_setback(), self.wesal.refuses_a_route(), self.clock.wall())
    }

    /// Records whether the last reload was refused.
    pub fn set_reload_result(&self, refused: bool) {
        self.warnings.set_reload_result(refused);
    }

    /// Records the certificate that callers are shown from now on.
    pub fn set_certificate(&self, validity: Option<CertificateValidity>) {
        self.warnings.set_certificate(validity);
    }

    /// Records why the certificate files cannot be used.
    pub fn set_certificate_error(&self, why: String) {
        self.warnings.set_certificate_error(why);
    }

    /// Returns what depends on the configuration, as it is now.
    pub(crate) fn config_snapshot(&self) -> Arc<ConfigSnapshot> {
        self.known.load_full()
    }

    /// Moves on to `next`; never back.
    pub fn enter(&self, next: Lifecycle) {
        self.lifecycle.send_if_modified(|current| {
            let later = next > *current;
            *current = next.max(*current);
            later
        });
    }

    /// Whether callers can be answered now.
    pub fn readiness(&self) -> Readiness {
        let mut readiness = Readiness::now(&self.parts, &self.wesal, self.lifecycle() > Lifecycle::Serving);
        readiness.warnings = self.warnings().into_iter().map(Warning::text).collect();
        readiness
    }

    /// The metrics, with how things stand now.
    pub fn metrics(&self) -> String {
        let Held { bytes, parts, stretch } = self.parts.held();
        let figures = self.parts.figures(&self.watched);
        let figures: Vec<Figures<'_>> =
            figures.iter().map(|of| Figures { queue: of.queue.as_str(), age: of.age, figures: &of.figures }).collect();
        let certificate = self.warnings.certificate();
        let (login, breaker) = (self.wesal.login_state(), self.wesal.breaker_state());
        let active = self.warnings();
        self.metrics.render(&Present {
            ready: self.readiness().ready,
            warnings: &Warning::ALL.map(|warning| (warning.as_str(), active.contains(&warning))),
            cache_bytes: bytes,
            cache_parts: parts,
            in_flight: self.requests_in_flight(),
            budget: self.wesal.budget().remaining,
            stretch,
            certificate_not_after: certificate.and_then(|shown| shown.validity).map(|validity| validity.not_after),
            figures: &figures,
            login_states: &LoginState::ALL.map(|state| (state.as_str(), state == login)),
            breaker_states: &BreakerState::ALL.map(|state| (state.as_str(), state == breaker)),
        })
    }

    /// How many requests are worked on.
    pub fn requests_in_flight(&self) -> usize {
        self.in_flight.in_use() + self.logins.in_use()
    }

    pub(crate) fn lifecycle(&self) -> Lifecycle {
        *self.lifecycle.borrow()
    }

    /// Ends when what is not finished is to be cut off.
    pub(super) async fn ended(&self) {
        // The sender lives in `self`, so this ends only by the stage of life.
        let _ = self.lifecycle.subscribe().wait_for(|now| *now == Lifecycle::Ended).await;
    }

    /// Keeps hot parts fresh, for ever. To be run as one task.
    pub async fn refresh_ahead(self: Arc<Self>) {
        self.parts.refresh_ahead().await;
    }

    /// Gives memory back. To be called about each second.
    pub fn tidy(&self) {
        self.parts.tidy();
        self.known.load().auth_failures.tidy();
        self.sessions.prune(self.clock.wall());
    }

    /// Looks at all that is held, and drops what is of no more use. To be called about each minute.
    pub fn sweep(&self) {
        self.parts.sweep();
    }
}
