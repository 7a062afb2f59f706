//! What the public listener shows over TLS, and that it follows its files.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    sign::{CertifiedKey, SingleCertAndKey},
};

use super::{
    settling::Settling,
    tls::{TlsFileError, TlsFiles, validity},
};
use crate::{clock::SharedClock, config::TlsConfig, http::AppState, telemetry::events};

pub(super) const HTTP_2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";

/// How often the files are looked at. Their contents are compared: a notice of the file system misses what orchestrators do,
/// who exchange a symbolic link further up. A change must settle: a chain that is half written looks good.
const LOOK_EACH: Duration = Duration::from_secs(2);

type Digest = [u8; 32];

/// The certificate that new connections are shown.
pub(super) struct Certificates {
    settings: TlsConfig,
    first: Digest,
    current: ArcSwap<ServerConfig>,
    /// What tells operators how they stand.
    app: Arc<AppState>,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The files are not what they should be.
    #[error(transparent)]
    Files(#[from] TlsFileError),
    /// The library does not know its own protocols.
    #[error("TLS cannot be set up: {0}")]
    Library(#[from] rustls::Error),
}

/// What was seen of the files.
struct Seen {
    /// What was shown last, or told as not good; nothing if they could not be read.
    held: Option<Digest>,
    settling: Settling<Option<Digest>>,
}

impl Certificates {
    /// Those of the settings' files as they are now.
    pub(super) fn load(settings: &TlsConfig, app: Arc<AppState>) -> Result<Arc<Self>, TlsError> {
        let files = TlsFiles::read(settings)?;
        let certificate = files.certified_key(settings)?;
        app.set_certificate(validity(&certificate));
        let current = ArcSwap::from_pointee(server_config(certificate)?);
        let (settings, first) = (settings.clone(), files.digest());
        Ok(Arc::new(Self { settings, first, current, app }))
    }

    /// For the next handshake.
    pub(super) fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }

    /// Takes over what the files become; what is not good is logged once, and what was shown before is kept.
    pub(super) async fn follow_files(self: Arc<Self>, clock: SharedClock) {
        let mut seen = Seen::at_first(self.first);
        loop {
            clock.sleep(LOOK_EACH).await;
            let this = Arc::clone(&self);
            // A file system may hang.
            let looked = tokio::task::spawn_blocking(move || this.look(seen)).await;
            seen = match looked {
                Ok(next) => next,
                // Goes on up, to whom this task is worth beginning anew.
                Err(reason) if reason.is_panic() => std::panic::resume_unwind(reason.into_panic()),
                Err(_) => return,
            };
        }
    }

    fn look(&self, mut seen: Seen) -> Seen {
        let files = TlsFiles::read(&self.settings);
        let digest = files.as_ref().ok().map(TlsFiles::digest);
        if !seen.settling.counts(digest, &seen.held) {
            return seen;
        }
        seen.held = digest;
        let certificate = files.and_then(|files| files.certified_key(&self.settings)).map_err(TlsError::from);
        let config = certificate.and_then(|certificate| {
            let validity = validity(&certificate);
            Ok((server_config(certificate)?, validity))
        });
        match config {
            Ok((config, validity)) => {
                self.current.store(Arc::new(config));
                self.app.set_certificate(validity);
                events::certificate_taken_over(validity.map(|validity| validity.not_after));
            }
            Err(fault) => {
                self.app.set_certificate_error(fault.to_string());
                events::certificate_refused(&fault);
            }
        }
        seen
    }
}

impl Seen {
    fn at_first(digest: Digest) -> Self {
        Self { held: Some(digest), settling: Settling::default() }
    }
}

/// TLS 1.2 and 1.3, HTTP/2 before HTTP/1.1.
fn server_config(certificate: Arc<CertifiedKey>) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certificate)));
    config.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1_1.to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::Arc};

    use rcgen::generate_simple_self_signed;

    use super::*;
    use crate::{
        clock::ManualClock,
        config::Config,
        telemetry::{Metrics, Traces},
        upstream::Wesal,
    };

    /// An app that nobody asks.
    fn app() -> Arc<AppState> {
        let (config, metrics) = (Config::default(), Arc::new(Metrics::new()));
        let clock: SharedClock = Arc::new(ManualClock::at(jiff::Timestamp::UNIX_EPOCH));
        let wesal = Wesal::new(&config.upstream, clock.clone(), Arc::clone(&metrics)).unwrap();
        let (traces, _) = Traces::new(&config, clock.clone(), Arc::clone(&metrics)).unwrap();
        AppState::new(&config, Vec::new(), wesal, clock, metrics, traces).unwrap()
    }

    #[tokio::test]
    async fn a_chain_that_is_half_written_is_not_shown_though_it_looks_good() {
        let folder = tempfile::tempdir().unwrap();
        let (cert_file, key_file) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
        let settings = TlsConfig { cert_file: cert_file.clone(), key_file: key_file.clone() };
        let made = || generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (leaf, issuer) = (made(), made());
        fs::write(&key_file, leaf.signing_key.serialize_pem()).unwrap();
        let chain = [leaf.cert.pem(), issuer.cert.pem()];
        fs::write(&cert_file, format!("{}{}", chain.concat(), made().cert.pem())).unwrap();
        let certificates = Certificates::load(&settings, app()).unwrap();
        let first = certificates.current();
        let is_first = || Arc::ptr_eq(&first, &certificates.current());
        let mut seen = Seen::at_first(certificates.first);
        for (what, written, changes) in [
            ("its first half", chain[0].clone(), false),
            ("the whole", chain.concat(), false),
            ("the whole again", chain.concat(), true),
        ] {
            fs::write(&cert_file, written).unwrap();
            seen = certificates.look(seen);
            assert_eq!(!is_first(), changes, "{what}");
        }
        // What is never the same twice is told at last.
        for n in 0..5 {
            fs::write(&cert_file, format!("nonsense {n}")).unwrap();
            seen = certificates.look(seen);
        }
        let readiness = serde_json::to_string(&certificates.app.readiness()).unwrap();
        assert!(readiness.contains("certificate: its files have changed, and are not good"), "{readiness}");
    }
}
