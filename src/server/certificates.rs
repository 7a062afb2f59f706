//! What the public listener shows over TLS, and that it follows its files.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    sign::{CertifiedKey, SingleCertAndKey},
};

use crate::{
    clock::SharedClock,
    config::{TlsConfig, TlsFault},
    http::App,
    telemetry::events,
};

pub(super) const HTTP_2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";

/// How often the files are looked at. Their contents are compared: a notice of the file system misses what orchestrators do,
/// who exchange a symbolic link further up.
const LOOK_EACH: Duration = Duration::from_secs(2);

type Digest = [u8; 32];

/// The certificate that new connections are shown.
pub(super) struct Certificates {
    settings: TlsConfig,
    first: Digest,
    current: ArcSwap<ServerConfig>,
    /// What tells operators how they stand.
    app: Arc<App>,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The files are not what they should be.
    #[error(transparent)]
    Files(#[from] TlsFault),
    /// The library does not know its own protocols.
    #[error("TLS cannot be set up: {0}")]
    Library(#[from] rustls::Error),
}

/// What the files were when they were last looked at.
enum Seen {
    Good(Digest),
    /// Not good, and not yet told: half of a change may be there.
    Bad(Option<Digest>),
    Told(Option<Digest>),
}

impl Certificates {
    /// Those of the settings' files as they are now.
    pub(super) fn load(settings: &TlsConfig, app: Arc<App>) -> Result<Arc<Self>, TlsError> {
        let files = settings.read()?;
        let certificate = settings.certificate(&files)?;
        app.note_certificate(TlsConfig::validity(&certificate));
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
        let mut seen = Seen::Good(self.first);
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

    fn look(&self, seen: Seen) -> Seen {
        let files = self.settings.read();
        let digest = files.as_ref().ok().map(|files| files.digest());
        match (&seen, digest) {
            (Seen::Good(known), Some(digest)) if *known == digest => return seen,
            (Seen::Told(known), digest) if *known == digest => return seen,
            _ => {}
        }
        let certificate = files.and_then(|files| self.settings.certificate(&files)).map_err(TlsError::from);
        let config = certificate.and_then(|certificate| {
            let validity = TlsConfig::validity(&certificate);
            Ok((server_config(certificate)?, validity))
        });
        match (config, digest) {
            (Ok((config, validity)), Some(digest)) => {
                self.current.store(Arc::new(config));
                self.app.note_certificate(validity);
                events::certificate_taken_over(validity.map(|validity| validity.not_after));
                Seen::Good(digest)
            }
            (Err(fault), digest) if matches!(&seen, Seen::Bad(known) if *known == digest) => {
                self.app.note_certificate_refused(fault.to_string());
                events::certificate_refused(&fault);
                Seen::Told(digest)
            }
            (_, digest) => Seen::Bad(digest),
        }
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
