//! Who logs in, and with which of two passwords. Pure.

use std::sync::Arc;

use super::{attempt::LoginRequest, refusals::Refusals};
use crate::{clock::Moment, config::Secret};

/// The account's credentials, and what is known of them.
pub(super) struct Account {
    current: Arc<LoginRequest>,
    /// With the password of before a change through the gateway, until a login has proved one of the two good.
    former: Option<Arc<LoginRequest>>,
    /// With which the last good login was made.
    proven: Option<Arc<LoginRequest>>,
    pub(super) refusals: Refusals,
}

impl Account {
    pub(super) fn new(request: LoginRequest, refusals: Refusals) -> Self {
        Self { current: Arc::new(request), former: None, proven: None, refusals }
    }

    pub(super) const fn current(&self) -> &Arc<LoginRequest> {
        &self.current
    }

    /// Whether a change of the password waits for the login that proves it.
    pub(super) const fn in_doubt(&self) -> bool {
        self.former.is_some()
    }

    pub(super) fn proven(&self, request: &LoginRequest) -> bool {
        self.proven.as_ref().is_some_and(|proven| proven.same(request))
    }

    /// What to log in with; or until when nothing may be tried, as all was refused.
    pub(super) fn next(&self, now: Moment) -> Result<Arc<LoginRequest>, Moment> {
        let until = |request: &LoginRequest| self.refusals.until(&request.credentials(), self.proven(request), now);
        let Some(current) = until(&self.current) else { return Ok(Arc::clone(&self.current)) };
        let Some(former) = &self.former else { return Err(current) };
        match until(former) {
            None => Ok(Arc::clone(former)),
            Some(former) => Err(current.min(former)),
        }
    }

    /// The account has this password from now on.
    pub(super) fn change_password(&mut self, password: Secret) {
        let next = Arc::new(self.current.with_password(password));
        self.former = Some(std::mem::replace(&mut self.current, next));
    }

    /// The configuration says that it is this one from now on. False if that is nothing new.
    pub(super) fn adopt(&mut self, request: LoginRequest, refusals: Option<Refusals>) -> bool {
        let new = !self.current.same(&request);
        // Also where it is the same: where its password is written when it changes may be another place.
        self.current = Arc::new(request);
        if new {
            self.former = None;
        }
        if let Some(refusals) = refusals {
            self.refusals = refusals;
        }
        new
    }

    /// A login with `request` succeeded, and was no older than the last change.
    pub(super) fn prove(&mut self, request: &Arc<LoginRequest>, now: Moment) {
        self.refusals.lift(&request.credentials(), now);
        self.proven = Some(Arc::clone(request));
        if self.former.take().is_some_and(|former| former.same(request)) {
            self.current = Arc::clone(request);
        }
    }
}
