//! What the service manager is told (sd_notify(3)), where there is one that asked to be.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::{sync::watch, task::spawn_blocking};

use super::listener::Pulse;
use crate::{
    clock::{SharedClock, before},
    telemetry::events,
};

/// How long one waits for a service manager that does not read what it is told.
pub(super) const HEARD: Duration = Duration::from_secs(1);

/// It listens. Whether the vendor took the login is not waited for: a vendor that is down is no reason to end or restart the
/// gateway, which may have answers to give, and logs in by itself as soon as it can.
pub(super) async fn ready() {
    tell(vec![NotifyState::Ready]).await;
}

/// It drains.
pub(super) async fn stopping() {
    tell(vec![NotifyState::Stopping]).await;
}

/// The configuration is being read again, until [`ready`] is told (`Type=notify-reload`).
pub(super) async fn reloading() {
    // systemd wants to know when, to tell this from an earlier time.
    let now = NotifyState::monotonic_usec_now().ok();
    tell([NotifyState::Reloading].into_iter().chain(now).collect()).await;
}

/// Says twice in each `WatchdogSec=` that all is well, if the accept loops answer, and the runtime, which this runs on, goes
/// round. While it drains they have ended, and only the runtime is asked.
pub(super) async fn feed_the_watchdog(
    doors: Vec<(&'static str, Pulse)>,
    mut draining: watch::Receiver<bool>,
    clock: SharedClock,
) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    let each = limit / 2;
    loop {
        clock.sleep(each).await;
        let all_answer = async {
            for (_, door) in &doors {
                door.felt().await;
            }
        };
        let well = async {
            tokio::select! {
                () = all_answer => {}
                _ = draining.wait_for(|draining| *draining) => {}
            }
        };
        if before(clock.as_ref(), clock.now().after(each), well).await.is_some() {
            tell(vec![NotifyState::Watchdog]).await;
        }
    }
}

/// A service manager that does not read lets who writes wait: hence not on a thread that answers.
async fn tell(state: Vec<NotifyState<'static>>) {
    if let Ok(Err(reason)) = spawn_blocking(move || sd_notify::notify(&state)).await {
        events::service_manager_not_told(&reason);
    }
}
