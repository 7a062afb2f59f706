use std::io;

use super::certificates::TlsError;
use crate::{auth::SessionError, config::ListenAddress, telemetry::traces::TracesError, upstream};

/// Why it cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The vendor's side refuses its settings.
    #[error(transparent)]
    Upstream(#[from] upstream::StartError),
    /// Traces cannot be sent.
    #[error(transparent)]
    Traces(#[from] TracesError),
    /// Sessions cannot be issued.
    #[error(transparent)]
    Sessions(#[from] SessionError),
    /// The public listener has no certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address} ({setting}): {reason}{}", remedy(reason))]
    Listen {
        /// The setting that names it.
        setting: &'static str,
        /// Which.
        address: ListenAddress,
        /// Why not.
        reason: io::Error,
    },
}

/// What to do about what the system says of a socket on the network. What is ours, and of socket files, has its own words.
fn remedy(reason: &io::Error) -> &'static str {
    match (reason.kind(), reason.raw_os_error()) {
        (io::ErrorKind::AddrInUse, Some(_)) => {
            "; another process listens there: end it, or set server.reuse_port = true for both, so that one can take over \
             from the other"
        }
        (io::ErrorKind::PermissionDenied, Some(_)) => {
            "; this user may not take a port below 1024: name a higher one, or give the process CAP_NET_BIND_SERVICE \
             (AmbientCapabilities= in a unit)"
        }
        (io::ErrorKind::AddrNotAvailable, Some(_)) => {
            "; this machine has no such address: name one that it has, or for all of them 0.0.0.0 or [::]"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_errors_have_a_remedy_and_own_errors_have_none() {
        // As Linux counts them: EACCES, EADDRINUSE, EADDRNOTAVAIL, EMFILE.
        for (number, expected) in
            [(13, "CAP_NET_BIND_SERVICE"), (98, "server.reuse_port = true for both"), (99, "0.0.0.0 or [::]"), (24, "")]
        {
            let given = remedy(&io::Error::from_raw_os_error(number));
            assert!(given.contains(expected) && expected.is_empty() == given.is_empty(), "{number}: {given:?}");
        }
        for kind in [io::ErrorKind::PermissionDenied, io::ErrorKind::AddrInUse, io::ErrorKind::NotFound] {
            assert_eq!(remedy(&io::Error::new(kind, "it says what to do")), "");
        }
    }
}
