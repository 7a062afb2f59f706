//! How another configuration takes the place of the service login's credentials.

use std::sync::Arc;

use super::{client::Wesal, credentials::OwnAccount, error::StartError, login::LoginRequest};
use crate::{
    config::{Secret, UpstreamConfig},
    telemetry::events,
};

impl Wesal {
    /// Takes over the credentials of `next`: a login that was refused is tried with them at once, and a token that works
    /// stays in use until the login with them has brought another. Says whether they are others than those before.
    ///
    /// What the vendor was told of a new password in the meantime stands, as long as the configuration says nothing new.
    ///
    /// # Errors
    /// They cannot be sent; then nothing changes.
    pub fn take_over(&self, next: &UpstreamConfig) -> Result<bool, StartError> {
        let mut configured = self.configured.lock();
        let merged = configured.with_credentials_of(next);
        if merged == *configured {
            return Ok(false);
        }
        let own = OwnAccount::new(&merged)?;
        let request = LoginRequest::new(&merged, own.client_id.clone());
        self.hidden.lock().change(&merged);
        self.own.store(Arc::new(own));
        // What this account may not use, another may.
        self.targets.lock().clear();
        let others = self.login.adopt(&merged, request);
        *configured = merged;
        if others {
            events::credentials_taken_over();
        }
        Ok(others)
    }

    /// One more secret that callers are never shown in the vendor's words.
    pub(super) fn hide(&self, secret: Secret) {
        self.hidden.lock().add(secret);
    }

    /// Whether `email` is the service login's own; letter case does not matter.
    pub fn is_own_email(&self, email: &str) -> bool {
        self.own.load().email.expose().trim().to_lowercase() == email.trim().to_lowercase()
    }
}
