//! The service login: the one vendor account that the gateway holds. `machine` decides (pure), this file
//! runs: one login in flight whatever the load, in a task of its own, its outcome shared by all who wait.

mod attempt;
mod machine;
mod token;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

pub(super) use attempt::LoginRequest;
pub use machine::LoginState;
use machine::{Held, Landed, Machine, Outcome, Unavailable, Want};

use super::{error::UpstreamError, transport::Transport};
use crate::{clock::SharedClock, telemetry::events};

/// The service login, shared by all calls.
pub(super) struct Login {
    machine: Mutex<Machine>,
    changed: watch::Sender<()>,
    request: LoginRequest,
    transport: Arc<Transport>,
    clock: SharedClock,
}

impl Login {
    pub(super) fn new(request: LoginRequest, transport: Arc<Transport>, clock: SharedClock) -> Arc<Self> {
        let machine = Mutex::new(Machine::new());
        Arc::new(Self { machine, changed: watch::Sender::new(()), request, transport, clock })
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

    /// What the login is doing.
    pub(super) fn state(&self) -> LoginState {
        self.machine().state(self.clock.now())
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
        tokio::spawn(async move {
            let mut landing = landing;
            landing.outcome = Some(attempt::log_in(&login.request, &login.transport, login.clock.as_ref()).await);
        });
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
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
        match told {
            Landed::Good { life } => events::logged_in(life),
            Landed::Refused { wait } => events::login_refused(wait),
            Landed::Failed { wait, error } => events::login_failed(&error, wait),
        }
        self.login.changed.send_replace(());
    }
}
