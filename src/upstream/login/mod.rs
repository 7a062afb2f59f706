//! The service login: the one vendor account that the gateway holds. `machine` decides (pure), this file
//! runs: one login in flight whatever the load, in a task of its own, its outcome shared by all who wait.

mod account;
mod attempt;
mod blocked;
mod login_gate;
mod machine;
mod record;
mod refusals;
mod state;
mod step;
mod token;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{RwLock, watch};

pub(super) use attempt::LoginRequest;
use attempt::Outcome;
use machine::Machine;
use record::Record;
use refusals::Refusals;
pub use state::{LoginStanding, LoginState};
pub(super) use step::Unrenewed;
use step::{Held, Landed, Renewal, Unavailable, Want};
#[cfg(any(test, fuzzing))]
pub(super) use token::Token;

use super::{
    error::UpstreamError,
    transport::{Connection, Transport},
};
use crate::{
    clock::{Clock, SharedClock, before},
    config::{Secret, UpstreamConfig},
    telemetry::{Metrics, events},
};

/// How long a login waits for a disk that is to write down that it begins.
const WRITING: Duration = Duration::from_secs(1);

/// The service login, shared by all calls.
pub(super) struct Login {
    machine: Mutex<Machine>,
    changed: watch::Sender<()>,
    /// Where the account's refusals are remembered beyond the process, if anywhere. Locked before the machine.
    record: Mutex<Option<Arc<Record>>>,
    /// Read-locked by each login until it is written down how it ended.
    under_way: Arc<RwLock<()>>,
    transport: Arc<Transport>,
    clock: SharedClock,
    metrics: Arc<Metrics>,
}

impl Login {
    /// Nothing is sent yet. A refusal that an earlier process met still holds.
    pub(super) fn new(
        config: &UpstreamConfig,
        request: LoginRequest,
        transport: Arc<Transport>,
        clock: SharedClock,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        metrics.expect_logins(Landed::NAMES);
        let record = record_of(config);
        if let Some(record) = &record
            && let Err(reason) = record.make_folder()
        {
            events::refusal_not_recorded(record.path(), &reason);
        }
        let machine = Machine::new(request, refusals_in(record.as_deref(), clock.as_ref()));
        let standing = machine.standing(clock.now());
        if let (Some(left), Some(record)) = (standing.next_try, &record) {
            events::login_refused_before(left, record.path());
        }
        Arc::new(Self {
            machine: Mutex::new(machine),
            changed: watch::Sender::new(()),
            record: Mutex::new(record),
            under_way: Arc::default(),
            transport,
            clock,
            metrics,
        })
    }

    /// A token to use now; logs in first if there is none.
    pub(super) async fn token(self: &Arc<Self>) -> Result<Held, Unavailable> {
        loop {
            // Before the look at the machine, so that a change right after it is not missed.
            let mut changed = self.changed.subscribe();
            let want = self.machine().want(self.clock.now());
            match want {
                Want::Use { held, .. } => return Ok(held),
                Want::UseAndRefresh(held, with) => {
                    self.begin(with);
                    return Ok(held);
                }
                Want::Begin(with) => self.begin(with),
                Want::Wait => {}
                Want::Refuse(unavailable) => return Err(unavailable),
            }
            // The sender lives in `self`.
            let _ = changed.changed().await;
        }
    }

    /// A token newer than that of `generation`, which the vendor refused; logs in if there is none. `accepted` is
    /// the last login whose token the same target accepted. Other calls use the old token until the login has ended.
    pub(super) async fn newer_token(
        self: &Arc<Self>,
        generation: u64,
        accepted: Option<u64>,
    ) -> Result<Held, Unrenewed> {
        loop {
            // Before the look at the machine, so that a change right after it is not missed.
            let mut changed = self.changed.subscribe();
            let want = self.machine().renew(generation, accepted, self.clock.now());
            match want {
                Renewal::Use(held) => return Ok(held),
                Renewal::Begin(with) => self.begin(with),
                Renewal::Wait => {}
                Renewal::Refuse(unrenewed) => {
                    self.changed.send_replace(());
                    return Err(unrenewed);
                }
            }
            // The sender lives in `self`.
            let _ = changed.changed().await;
        }
    }

    /// Notes that a call succeeded with the token of `generation`; `renewed` says whether that came for this call.
    pub(super) fn accepted(&self, generation: u64, renewed: bool) {
        self.machine().accepted(generation, renewed);
    }

    /// Notes that the call for which the token of `generation` came was refused with it too.
    pub(super) fn refused_again(&self, generation: u64) {
        self.machine().refused(generation);
    }

    /// The file that the password came from, if it came from one.
    pub(super) fn password_file(&self) -> Option<PathBuf> {
        self.machine().current().password.file().map(Path::to_owned)
    }

    /// From now on the account has this password. Logs in with it at once; until then the old token serves.
    pub(super) fn take_over(&self, password: Secret) {
        self.machine().change_password(password, self.clock.now());
        self.changed.send_replace(());
    }

    /// From now on the configuration says that the account is this one. Logs in at once, unless the vendor has refused just
    /// these credentials and their wait is not over; until then the old token serves. False if it was this one already.
    pub(super) fn adopt(&self, config: &UpstreamConfig, request: LoginRequest) -> bool {
        let new = {
            let mut record = self.record.lock();
            let other = !self.machine().current().same_account(&request);
            if other {
                *record = record_of(config);
            }
            let refusals = other.then(|| refusals_in(record.as_deref(), self.clock.as_ref()));
            self.machine().adopt(request, refusals, self.clock.now())
        };
        self.changed.send_replace(());
        new
    }

    /// What the login is doing.
    pub(super) fn state(&self) -> LoginState {
        self.machine().state(self.clock.now())
    }

    /// The same, with what is known of its times.
    pub(super) fn standing(&self) -> LoginStanding {
        self.machine().standing(self.clock.now())
    }

    /// Keeps logged in for ever: at start, ahead of expiry, and after each failure's wait. Run as a task.
    pub(super) async fn keep(self: Arc<Self>) {
        loop {
            let mut changed = self.changed.subscribe();
            let now = self.clock.now();
            let want = self.machine().want(now);
            let wake_at = match want {
                Want::Use { refresh_at, .. } => refresh_at,
                Want::Refuse(unavailable) => Some(now.after(unavailable.retry_after)),
                Want::Wait => None,
                Want::Begin(with) | Want::UseAndRefresh(_, with) => {
                    self.begin(with);
                    None
                }
            };
            let woken = async {
                match wake_at {
                    Some(moment) => self.clock.sleep_until(moment).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = changed.changed() => {}
                () = woken => {}
            }
        }
    }

    /// Ends when no login is under way, and it is written down how the last one ended; none begins meanwhile.
    pub(super) async fn settled(&self) {
        drop(self.under_way.write().await);
    }

    /// Runs the login that the machine has just noted as begun. It ends within `upstream.try_timeout`, and what the disk takes.
    fn begin(self: &Arc<Self>, with: Arc<LoginRequest>) {
        let mut landing = Landing { login: Arc::clone(self), outcome: None };
        let login = Arc::clone(self);
        tokio::spawn(async move {
            let _under_way = login.under_way.read().await;
            // First, as the process may end before the answer is there, in whatever way. With what was good lately there is
            // hardly a risk, and no reason to wait for a disk.
            if !login.machine().proven(&with) {
                let written = Arc::clone(&login).remember();
                before(login.clock.as_ref(), login.clock.now().after(WRITING), written).await;
            }
            // The vendor may have moved: its old address may answer the login with a failure, again and again.
            let connection = if login.machine().has_failed() { Connection::New } else { Connection::Pooled };
            landing.outcome = Some(attempt::log_in(&with, &login.transport, connection, login.clock.as_ref()).await);
            drop(landing);
            Arc::clone(&login).remember().await;
        });
    }

    /// Writes down what the vendor has refused, and what it may.
    async fn remember(self: Arc<Self>) {
        let Some(record) = self.record.lock().clone() else { return };
        // Disks can be slow.
        let kept = tokio::task::spawn_blocking(move || {
            let remembered = || {
                // It is another account's by now: what was written of this one holds.
                let current = self.record.lock();
                let same = current.as_ref().is_some_and(|current| Arc::ptr_eq(current, &record));
                same.then(|| self.machine().remembered(self.clock.now()))
            };
            if let Err(reason) = record.keep(self.clock.as_ref(), remembered) {
                events::refusal_not_recorded(record.path(), &reason);
            }
        });
        // It does not panic, and is only waited for so that it has an owner.
        let _ = kept.await;
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock()
    }
}

/// Where the refusals of the account that `config` names are remembered.
fn record_of(config: &UpstreamConfig) -> Option<Arc<Record>> {
    let account = [&config.base_url, config.proxy.as_deref().unwrap_or_default(), config.email.expose()];
    config.login.state_dir.as_ref().map(|folder| Arc::new(Record::of(&account, folder)))
}

fn refusals_in(record: Option<&Record>, clock: &dyn Clock) -> Refusals {
    match record.and_then(|record| record.read(clock.wall())) {
        Some(remembered) => Refusals::of(&remembered, clock.now()),
        None => Refusals::none(getrandom::u64().unwrap_or_default()),
    }
}

/// Tells the machine how the login ended, also when its task panics.
struct Landing {
    login: Arc<Login>,
    outcome: Option<Outcome>,
}

impl Drop for Landing {
    fn drop(&mut self) {
        // The task ended without an outcome: it panicked, or the process is ending.
        let outcome = self.outcome.take().unwrap_or(Outcome::Failed(UpstreamError::Unreachable));
        let told = self.login.machine().landed(outcome, self.login.clock.now());
        self.login.metrics.login(told.as_str());
        match told {
            Landed::Good { life } => events::logged_in(life),
            Landed::Refused { in_doubt: true, .. } => events::password_refused(),
            Landed::Refused { wait, in_doubt: false } => events::login_refused(wait),
            Landed::Failed { wait, error } => events::login_failed(&error, wait),
            Landed::Superseded => {}
        }
        self.login.changed.send_replace(());
    }
}
