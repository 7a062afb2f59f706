use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end the process. Made before anything is served, so that none is missed.
pub(super) struct Stop {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Stop {
    /// Listens from now on.
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Ends at the second SIGTERM or SIGINT: whoever insists does not want to wait for a drain.
    pub(super) async fn told_twice(mut self) {
        for _ in 0..2 {
            tokio::select! {
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
            }
        }
    }

    /// Ends at SIGTERM or SIGINT. At SIGHUP, which unhandled would end the process too, does what `at_hangup` says.
    pub(super) async fn told(mut self, at_hangup: impl Fn()) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                Some(()) = self.hangup.recv() => at_hangup(),
            }
        }
    }
}
