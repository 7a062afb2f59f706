//! Passes through the breaker, and how they come back.

use super::{Wesal, breaker::Pass, client::lock, error::UpstreamError};

/// Gives the pass back also when the try never came to be sent.
pub(super) struct BreakerPass<'a> {
    wesal: &'a Wesal,
    pass: Option<Pass>,
}

impl Wesal {
    pub(super) fn admit(&self) -> Result<BreakerPass<'_>, UpstreamError> {
        match lock(&self.breaker).admit(self.clock.now()) {
            Ok(pass) => Ok(BreakerPass { wesal: self, pass: Some(pass) }),
            Err(retry_after) => Err(UpstreamError::CircuitOpen { retry_after }),
        }
    }

    /// Lets a call through without a pass, unless the breaker leaves the vendor alone just now.
    pub(super) fn heed_breaker(&self) -> Result<(), UpstreamError> {
        match lock(&self.breaker).probe_in(self.clock.now()) {
            Some(retry_after) if !retry_after.is_zero() => Err(UpstreamError::CircuitOpen { retry_after }),
            _ => Ok(()),
        }
    }
}

impl BreakerPass<'_> {
    pub(super) fn record(mut self, works: bool) {
        if let Some(pass) = self.pass.take() {
            lock(&self.wesal.breaker).record(pass, works, self.wesal.clock.now());
        }
    }
}

impl Drop for BreakerPass<'_> {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            lock(&self.wesal.breaker).forfeit(pass, self.wesal.clock.now());
        }
    }
}
