//! The certificate of the public listener. Read here, so that `check` and the start refuse the same files; the
//! running listener reads them again when they change.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    Error, InconsistentKeys,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
    sign::CertifiedKey,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{check::Check, validity::Validity};

/// `server.tls`: what the public listener shows to its callers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// A file with the certificate and those between it and its root, as PEM, its own first.
    pub cert_file: PathBuf,
    /// A file with its private key, as PEM.
    pub key_file: PathBuf,
}

/// What the two files hold. It tells nobody.
pub struct TlsFiles {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

/// Why two files are no certificate with its key. It never holds what is in them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("server.tls.{setting}: {reason}; {remedy}")]
pub struct TlsFault {
    setting: &'static str,
    reason: String,
    remedy: &'static str,
}

/// The most that one of the files may hold, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;

const CERT_FILE: &str = "cert_file";
const KEY_FILE: &str = "key_file";

impl TlsConfig {
    pub(super) fn settle_paths(&mut self, folder: &Path) {
        for file in [&mut self.cert_file, &mut self.key_file] {
            *file = folder.join(&file);
        }
    }

    pub(super) fn validate(&self, check: &mut Check<'_>) {
        match self.read().and_then(|files| self.certificate(&files)) {
            Err(fault) => check.that(false, fault.setting, &fault.reason, fault.remedy),
            Ok(certificate) => {
                let now = check.now;
                if let Some(warning) = Self::validity(&certificate).and_then(|validity| validity.warning(now)) {
                    check.warn(&format!("{CERT_FILE}: {warning}"));
                }
            }
        }
    }

    /// The files as they are now.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn read(&self) -> Result<TlsFiles, TlsFault> {
        Ok(TlsFiles {
            certificate: contents(CERT_FILE, &self.cert_file)?.to_vec(),
            key: contents(KEY_FILE, &self.key_file)?,
        })
    }

    /// The certificate and its key.
    ///
    /// # Errors
    /// The files do not hold them, or they do not belong together.
    pub fn certificate(&self, files: &TlsFiles) -> Result<Arc<CertifiedKey>, TlsFault> {
        let (cert_file, key_file) = (self.cert_file.display(), self.key_file.display());
        let fault = |setting, reason, remedy| TlsFault { setting, reason, remedy };
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(&files.certificate).collect::<Result<_, _>>().unwrap_or_default();
        if chain.is_empty() {
            let remedy = "name a file with the certificate first and then those between it and its root";
            return Err(fault(CERT_FILE, format!("{cert_file} holds no certificates in PEM form"), remedy));
        }
        let key = PrivateKeyDer::from_pem_slice(&files.key).map_err(|error| {
            let reason = match error {
                pem::Error::NoItemsFound => format!("{key_file} holds no private key in PEM form"),
                _ => format!("{key_file} is not sound PEM"),
            };
            fault(
                KEY_FILE,
                reason,
                "name a file with the certificate's unencrypted private key (PKCS#8, SEC1 or PKCS#1)",
            )
        })?;
        let key = aws_lc_rs::sign::any_supported_type(&key).map_err(|_| {
            fault(
                KEY_FILE,
                format!("{key_file} holds a key of no kind that can be used"),
                "use an RSA, ECDSA or Ed25519 key",
            )
        })?;
        let certificate = CertifiedKey::new(chain, key);
        match certificate.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(Arc::new(certificate)),
            Err(Error::InconsistentKeys(_)) => {
                let reason = format!("{key_file} is not the key of the first certificate in {cert_file}");
                Err(fault(KEY_FILE, reason, "put the certificate that belongs to the key first, or name its key"))
            }
            Err(_) => {
                let reason = format!("{cert_file} holds a certificate that cannot be read");
                Err(fault(CERT_FILE, reason, "name a file with an X.509 certificate in PEM form"))
            }
        }
    }

    /// From when until when what is shown is good, if it says so.
    pub fn validity(certificate: &CertifiedKey) -> Option<Validity> {
        // Its own alone: a chain may hold one that has expired beside another that has not.
        certificate.cert.first().and_then(Validity::of)
    }
}

impl TlsFiles {
    /// Tells one content from another.
    pub fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update((self.certificate.len() as u64).to_be_bytes());
        digest.update(&self.certificate);
        digest.update(&*self.key);
        digest.finalize().into()
    }
}

fn contents(setting: &'static str, path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsFault> {
    let shown = path.display();
    let fault = |reason| TlsFault { setting, reason, remedy: "name a file in PEM form that this user may read" };
    let mut bytes = Zeroizing::new(Vec::new());
    match File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes)) {
        Err(error) => Err(fault(format!("{shown} cannot be read: {error}"))),
        Ok(length) if length as u64 > MAX_BYTES => Err(fault(format!("{shown} is over 1 MiB"))),
        Ok(_) => Ok(bytes),
    }
}
