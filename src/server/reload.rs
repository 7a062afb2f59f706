//! Another configuration while the gateway runs: read whole, checked whole, then taken over, or not at all.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::{
    sync::{Mutex as AsyncMutex, Notify, OwnedMutexGuard},
    task::spawn_blocking,
};

use super::{service_manager, settling::Settling};
use crate::{
    clock::{SharedClock, before},
    config::{Config, ConfigErrors, Fingerprint, Loaded, Source},
    http::AppState,
    telemetry::{Metrics, change_log_filter, events},
    upstream::{StartError, Wesal},
};

/// How often the files are compared with what was read. A change must settle, so that a file that is being written is not
/// read half.
const LOOK_EACH: Duration = Duration::from_secs(2);

/// Takes over another configuration while the gateway runs.
#[derive(Clone)]
pub struct Reloader(Arc<Shared>);

struct Shared {
    app: Arc<AppState>,
    wesal: Arc<Wesal>,
    metrics: Arc<Metrics>,
    clock: SharedClock,
    /// What the process was started with: what a reload does not take over still holds as it stands here.
    started: Config,
    /// The configuration that was taken over last. Held while another is: one at a time.
    taken: Mutex<Config>,
    standing: Mutex<Standing>,
    source: OnceLock<Source>,
    /// What the files were when they were read last.
    read: Mutex<Option<Fingerprint>>,
    asked: Notify,
    /// Held while the files are read and taken over.
    reloading: Arc<AsyncMutex<()>>,
}

/// How the configuration stands, for operators.
#[derive(Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Standing {
    /// Whether there is a file that can be read again.
    from_file: bool,
    last_reload: Option<LastReload>,
    /// Settings of the last good configuration that do not hold yet.
    needs_restart: Vec<String>,
}

#[derive(Clone, Serialize)]
struct LastReload {
    at: Timestamp,
    /// `good` or `refused`.
    outcome: &'static str,
    /// Why it was refused, with file and line, or what is odd about it.
    said: Vec<String>,
}

/// Why a configuration was not taken over. What held before still holds.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It is not good.
    #[error(transparent)]
    Faults(#[from] ConfigErrors),
    /// Every caller would be gone: the file is half written, or not the right one.
    #[error("it has no callers; nothing was changed; to have none, restart the gateway with it")]
    NoCallers,
    /// The gateway could not log in any more: likewise.
    #[error("it lacks {0}; nothing was changed")]
    NoCredentials(&'static str),
    /// The vendor's side cannot use it.
    #[error(transparent)]
    Upstream(#[from] StartError),
    /// The gateway was started without a file.
    #[error("there is no configuration file to read again")]
    NoFile,
    /// It was not even read.
    #[error("another reload is under way")]
    UnderWay,
    /// The reload panicked, which is a bug.
    #[error("the reload ended without a result")]
    Lost,
}

impl Reloader {
    pub(super) fn new(
        config: &Config,
        app: &Arc<AppState>,
        wesal: &Arc<Wesal>,
        metrics: Arc<Metrics>,
        clock: SharedClock,
    ) -> Self {
        Self(Arc::new(Shared {
            app: Arc::clone(app),
            wesal: Arc::clone(wesal),
            metrics,
            clock,
            started: config.clone(),
            taken: Mutex::new(config.clone()),
            standing: Mutex::default(),
            source: OnceLock::new(),
            read: Mutex::default(),
            asked: Notify::new(),
            reloading: Arc::default(),
        }))
    }

    pub(super) fn read_from(&self, source: Source, read: Fingerprint) {
        *self.0.read.lock() = Some(read);
        self.0.standing.lock().from_file = true;
        // There is one source a process; a second is not heard.
        let _ = self.0.source.set(source);
    }

    /// Asks for the files to be read again, soon and whether they have changed or not.
    pub fn ask(&self) {
        match self.0.source.get() {
            Some(_) => self.0.asked.notify_one(),
            None => events::nothing_to_reload(),
        }
    }

    /// Takes over `config`; no request is lost. Gives the settings in it that need a restart.
    pub fn reload(&self, config: &Config) -> Result<Vec<String>, Refused> {
        self.settle(Ok(Loaded { config: config.clone(), warnings: Vec::new() }))
    }

    /// The same with what the files hold now, and not while another does so: one that hangs, as a file system may, has none
    /// wait behind it.
    pub(super) async fn reload_files(&self) -> Result<Vec<String>, Refused> {
        match Arc::clone(&self.0.reloading).try_lock_owned() {
            Ok(alone) => self.reload_alone(alone).await,
            Err(_) => Err(Refused::UnderWay),
        }
    }

    /// The same, as soon as nobody else does so.
    async fn reload_in_turn(&self) {
        let alone = Arc::clone(&self.0.reloading).lock_owned().await;
        // It was logged, whatever came of it.
        drop(self.reload_alone(alone).await);
    }

    /// `alone` goes with the work, which goes on if nobody waits for it any more: what was read first must not be taken over
    /// last.
    async fn reload_alone(&self, alone: OwnedMutexGuard<()>) -> Result<Vec<String>, Refused> {
        let reloader = self.clone();
        let work = move || {
            let shared = &reloader.0;
            let _alone = alone;
            let source = shared.source.get().ok_or(Refused::NoFile)?;
            // Before they are read: what changes meanwhile is seen the next time.
            *shared.read.lock() = Some(source.fingerprint());
            reloader.settle(source.load_again(shared.clock.wall()))
        };
        spawn_blocking(work).await.unwrap_or_else(|_| Err(self.refuse(Refused::Lost)))
    }

    /// How the configuration stands.
    pub(super) fn standing(&self) -> Standing {
        self.0.standing.lock().clone()
    }

    /// A service manager that does not read what it is told is not waited for.
    async fn heard(&self, told: impl Future<Output = ()>) {
        let clock = self.0.clock.as_ref();
        before(clock, clock.now().after(service_manager::HEARD), told).await;
    }

    /// Reads the files again when they change, and when somebody asks for it. For ever: to be run as one task.
    pub(super) async fn watch(self) {
        let shared = &self.0;
        let Some(source) = shared.source.get() else { return };
        let mut settling = Settling::default();
        loop {
            tokio::select! {
                () = shared.asked.notified() => {
                    self.heard(service_manager::reloading()).await;
                    self.reload_in_turn().await;
                    self.heard(service_manager::ready()).await;
                }
                () = shared.clock.sleep(LOOK_EACH) => {
                    let Some(last) = shared.read.lock().clone() else { continue };
                    let source = source.clone();
                    let Ok(now) = spawn_blocking(move || source.fingerprint_after(&last)).await else { continue };
                    // Again: it may have been read meanwhile.
                    let read = shared.read.lock().clone();
                    if read.is_some_and(|read| settling.counts(now, &read)) {
                        self.reload_in_turn().await;
                    }
                }
            }
        }
    }

    /// Takes a configuration over or refuses it, and says so wherever somebody may look.
    fn settle(&self, loaded: Result<Loaded, ConfigErrors>) -> Result<Vec<String>, Refused> {
        let shared = &self.0;
        let done = loaded.map_err(Refused::from).and_then(|loaded| self.apply_config(loaded));
        let (warnings, needs_restart) = done.map_err(|refused| self.refuse(refused))?;
        shared.app.set_reload_result(false);
        shared.metrics.config_reload("good");
        warnings.iter().for_each(|warning| events::configuration_warning(warning));
        if !needs_restart.is_empty() {
            events::restart_needed(&needs_restart.join(", "));
        }
        let mut standing = shared.standing.lock();
        standing.last_reload = Some(LastReload { at: shared.clock.wall(), outcome: "good", said: warnings });
        standing.needs_restart.clone_from(&needs_restart);
        Ok(needs_restart)
    }

    fn refuse(&self, refused: Refused) -> Refused {
        let shared = &self.0;
        shared.app.set_reload_result(true);
        shared.metrics.config_reload("refused");
        events::reload_refused(&refused);
        let (at, said) = (shared.clock.wall(), refused.said());
        shared.standing.lock().last_reload = Some(LastReload { at, outcome: "refused", said });
        refused
    }

    fn apply_config(&self, loaded: Loaded) -> Result<(Vec<String>, Vec<String>), Refused> {
        let shared = &self.0;
        let Loaded { config, warnings } = loaded;
        let mut taken = shared.taken.lock();
        if config.callers.is_empty() && !taken.callers.is_empty() {
            return Err(Refused::NoCallers);
        }
        if let Some(setting) = config.missing_credentials().first() {
            return Err(Refused::NoCredentials(setting));
        }
        // First, as it alone can fail.
        shared.wesal.take_over(&config.upstream)?;
        shared.app.apply_config(&config);
        // What an operator has set meanwhile stands until the file says something new.
        if taken.telemetry.log_filter != config.telemetry.log_filter {
            // It was checked with the rest; and a process without a log has no filter.
            let _ = change_log_filter(config.telemetry.log_filter.as_str());
        }
        events::reloaded(config.callers.len());
        let needs_restart = shared.started.restart_required(&config);
        *taken = config;
        Ok((warnings, needs_restart))
    }
}

impl Refused {
    /// What is wrong, each by itself.
    pub(super) fn said(&self) -> Vec<String> {
        match self {
            Self::Faults(faults) => faults.iter().map(ToString::to_string).collect(),
            other => vec![other.to_string()],
        }
    }
}
