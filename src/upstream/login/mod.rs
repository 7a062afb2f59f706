//! The service login: the one vendor account that the gateway holds. `machine` decides (pure), this file
//! runs: one login in flight whatever the load, in a task of its own, its outcome shared by all who wait.

mod attempt;
mod machine;
mod record;
mod token;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

pub(super) use attempt::LoginRequest;
use machine::{Held, Landed, Machine, Outcome, Unavailable, Want};
pub use machine::{LoginStanding, LoginState};
use record::Record;
#[cfg(any(test, fuzzing))]
pub(super) use token::Token;

use super::{error::UpstreamError, transport::Transport};
use crate::{
    clock::SharedClock,
    config::{Secret, UpstreamConfig},
    telemetry::{Metrics, events},
};

/// The service login, shared by all calls.
pub(super) struct Login {
    machine: Mutex<Machine>,
    changed: watch::Sender<()>,
    account: Mutex<Account>,
    transport: Arc<Transport>,
    clock: SharedClock,
    metrics: Arc<Metrics>,
}

/// Who logs in, and with what.
struct Account {
    request: Arc<LoginRequest>,
    /// After a change that no login has proved good yet: the other of the two passwords.
    other: Option<Other>,
    /// Where a refusal is remembered beyond the process, if anywhere.
    record: Option<Arc<Record>>,
}

impl Account {
    fn new(config: &UpstreamConfig, request: LoginRequest) -> Self {
        let proxy = config.proxy.as_deref().unwrap_or_default();
        let account = [config.base_url.as_str(), proxy, config.client_id.expose(), config.email.expose()];
        let record = config.login.state_dir.as_ref().map(|folder| Arc::new(Record::of(&account, folder)));
        Self { request: Arc::new(request), other: None, record }
    }

    /// Replaces the password, and gives the one before.
    fn replace_password(&mut self, password: Secret) -> Secret {
        let former = self.request.password.clone();
        self.request = Arc::new(self.request.with_password(password));
        former
    }

    /// Whether `request` is what is tried already: its password may have come into use by a change through the gateway,
    /// which wrote it into the file that it is read from now.
    fn tries(&self, request: &LoginRequest) -> bool {
        let password = &request.password;
        self.request.same_but_for_password(request)
            && (self.request.password == *password || self.other.as_ref().is_some_and(|o| o.password == *password))
    }
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
        let account = Account::new(config, request);
        let refusal = account.record.as_ref().and_then(|record| record.read(&account.request.body(), clock.wall()));
        if let Some(record) = &account.record {
            if let Err(reason) = record.make_folder() {
                events::refusal_not_recorded(record.path(), &reason);
            }
            if let Some(refusal) = refusal.filter(|refusal| !refusal.left.is_zero()) {
                events::login_refused_before(refusal.left, record.path());
            }
        }
        let machine = match refusal {
            Some(refusal) => Machine::refused_before(refusal, clock.now()),
            None => Machine::new(),
        };
        Arc::new(Self {
            machine: Mutex::new(machine),
            changed: watch::Sender::new(()),
            account: Mutex::new(account),
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
                Want::UseAndRefresh(held) => {
                    self.begin();
                    return Ok(held);
                }
                Want::Begin => self.begin(),
                Want::Wait => {}
                Want::Refuse(unavailable) => return Err(unavailable),
            }
            // The sender lives in `self`.
            let _ = changed.changed().await;
        }
    }

    /// The vendor refused the token of this generation. Says whether another try, with another token, makes sense.
    pub(super) fn died(&self, generation: u64) -> bool {
        let again = self.machine().died(generation, self.clock.now());
        self.changed.send_replace(());
        again
    }

    /// The file that the password came from, if it came from one.
    pub(super) fn password_file(&self) -> Option<PathBuf> {
        self.account().request.password.file().map(Path::to_owned)
    }

    /// From now on the account has this password. Logs in with it at once; until then the old token serves.
    pub(super) fn take_over(&self, password: Secret) {
        {
            let mut account = self.account();
            account.other = Some(Other { password: account.replace_password(password), tried: false });
        }
        self.renew();
    }

    /// From now on the configuration says that the account is this one. Logs in at once, whatever was refused; until then
    /// the old token serves. False if it was this one already.
    pub(super) fn adopt(&self, config: &UpstreamConfig, request: LoginRequest) -> bool {
        {
            let mut account = self.account();
            if account.tries(&request) {
                // Only where the password is written when it changes may be another place.
                let current = account.request.password.clone();
                account.request = Arc::new(request.with_password(current));
                return false;
            }
            *account = Account::new(config, request);
        }
        self.renew();
        true
    }

    fn renew(&self) {
        self.machine().renew(self.clock.now());
        self.changed.send_replace(());
    }

    /// The vendor refuses a login. After a change of the password that none has proved good yet, the other of the two
    /// takes its turn: at once the first time, then by turns, as often as logins are tried at all.
    fn take_turns(&self) -> bool {
        let mut account = self.account();
        let Some(Other { password, tried }) = account.other.take() else { return false };
        account.other = Some(Other { password: account.replace_password(password), tried: true });
        drop(account);
        if !tried {
            self.machine().renew(self.clock.now());
        }
        true
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
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
                Want::Begin | Want::UseAndRefresh(_) => {
                    self.begin();
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

    /// Runs the login that the machine has just noted as begun. It ends within `upstream.try_timeout`.
    fn begin(self: &Arc<Self>) {
        let landing = Landing { login: Arc::clone(self), outcome: None };
        let login = Arc::clone(self);
        let request = Arc::clone(&self.account().request);
        tokio::spawn(async move {
            let mut landing = landing;
            landing.outcome = Some(attempt::log_in(&request, &login.transport, login.clock.as_ref()).await);
            drop(landing);
            login.remember().await;
        });
    }

    /// Writes down whether the vendor refuses the account.
    async fn remember(self: Arc<Self>) {
        // Disks can be slow.
        let kept = tokio::task::spawn_blocking(move || {
            let (record, request) = {
                let account = self.account();
                (account.record.clone(), Arc::clone(&account.request))
            };
            let Some(record) = record else { return };
            let refusal = || self.machine().refusal(self.clock.now());
            if let Err(reason) = record.keep(|| request.body(), self.clock.as_ref(), refusal) {
                events::refusal_not_recorded(record.path(), &reason);
            }
        });
        // It does not panic, and is only waited for so that it has an owner.
        let _ = kept.await;
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one of two passwords that is not tried next.
struct Other {
    password: Secret,
    /// Whether both were tried already.
    tried: bool,
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
            Landed::Good { life } => {
                self.login.account().other = None;
                events::logged_in(life);
            }
            Landed::Refused { .. } if self.login.take_turns() => events::password_refused(),
            Landed::Refused { wait } => events::login_refused(wait),
            Landed::Failed { wait, error } => events::login_failed(&error, wait),
            Landed::Superseded => {}
        }
        self.login.changed.send_replace(());
    }
}
