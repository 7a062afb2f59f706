//! A change of the service login's own password, by way of `/auth/verify`.

use std::{path::Path, sync::Arc};

use tokio::task::spawn_blocking;

use super::{AccountRequest, Called, Effort, UpstreamError, Wesal, password_file::Pending};
use crate::{
    config::Secret,
    telemetry::{events, traces::TracePoint},
};

/// Reason why the vendor was not asked to change the password.
#[derive(Debug, thiserror::Error)]
pub enum NotChanged {
    /// The new password cannot be stored.
    #[error(
        "the new password cannot be written beside upstream.password_file, so the vendor was not asked to change it"
    )]
    NotWritten,
    /// Another change is in progress.
    #[error("another change of the service login's password is in progress")]
    Busy,
}

impl Wesal {
    /// Asks the vendor to change the password of the service login's account with this `/auth/verify` body. When it has,
    /// `password` is written into the password's file, if that is how it was given, and the gateway logs in with it.
    ///
    /// Runs in a task of its own: a caller who leaves does not leave it half done. A second
    /// concurrent change fails immediately with [`NotChanged::Busy`].
    pub async fn change_own_password(
        self: &Arc<Self>,
        request: AccountRequest,
        password: Secret,
        under: TracePoint,
    ) -> Result<Called, NotChanged> {
        let Ok(alone) = Arc::clone(&self.password_changes).try_lock_owned() else { return Err(NotChanged::Busy) };
        let wesal = Arc::clone(self);
        let change = tokio::spawn(async move {
            let _alone = alone;
            let pending = match wesal.login.password_file() {
                None => None,
                Some(file) => Some(write(&file, &password).await?),
            };
            let called = wesal.call_account(request, under).await;
            wesal.settle(&called, pending, password).await;
            Ok(called)
        });
        let lost =
            Called { result: Err(UpstreamError::Unreachable), began: self.clock.now(), effort: Effort::default() };
        change.await.unwrap_or(Ok(lost))
    }

    async fn settle(&self, called: &Called, pending: Option<Pending>, password: Secret) {
        use UpstreamError as E;
        match &called.result {
            Ok(_) => {
                self.hide(password.clone());
                self.login.take_over(password);
                let Some(pending) = pending else { return events::password_taken_over(false) };
                let beside = pending.beside().to_owned();
                match spawn_blocking(|| pending.commit()).await {
                    Ok(Ok(())) => events::password_taken_over(true),
                    _ => events::password_left_beside(&beside),
                }
            }
            // It was not asked, or it said no.
            Err(
                E::Rejected(_)
                | E::LoginFailed { .. }
                | E::TargetRefused { .. }
                | E::RateLimited { .. }
                | E::BudgetExhausted { .. }
                | E::CircuitOpen { .. }
                | E::Crowded
                | E::Failed { said_no: true, .. },
            ) => {
                if let Some(pending) = pending {
                    let _ = spawn_blocking(|| pending.discard()).await;
                }
            }
            // It may have changed it all the same.
            Err(E::Unreachable | E::InvalidResponse(_) | E::Failed { .. } | E::Timeout) => {
                if let Some(pending) = pending {
                    events::password_left_beside(pending.beside());
                }
            }
        }
    }
}

async fn write(file: &Path, password: &Secret) -> Result<Pending, NotChanged> {
    let (path, password) = (file.to_owned(), password.clone());
    match spawn_blocking(move || Pending::write(&path, &password)).await {
        Ok(Ok(pending)) => Ok(pending),
        Ok(Err(reason)) => {
            events::password_not_written(file, &reason);
            Err(NotChanged::NotWritten)
        }
        Err(_) => Err(NotChanged::NotWritten),
    }
}
