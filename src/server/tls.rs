//! The certificate files of the public listener (`server.tls`).

use std::{fs::File, io::Read, path::Path, sync::Arc};

use jiff::Timestamp;
use rustls::{
    Error, InconsistentKeys,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
    sign::CertifiedKey,
};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{
    config::{Config, TlsConfig, Validator},
    http::CertificateValidity,
    upstream::read_ca_bundle,
};

/// The contents of the two files. They hold a private key: no `Debug`.
pub(super) struct TlsFiles {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

/// Why two files are not a certificate and its key. It never holds their contents.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("server.tls.{setting}: {reason}; {remedy}")]
pub struct TlsFileError {
    setting: &'static str,
    reason: String,
    remedy: &'static str,
}

/// The largest certificate or key file.
const MAX_BYTES: u64 = 1024 * 1024;

const CERT_FILE: &str = "cert_file";
const KEY_FILE: &str = "key_file";

/// Reports certificate files of the settings that cannot be used, for `check` and the start. A reload does not take them
/// over and so does not check them: between the two steps of a renewal they do not match, which is no reason to refuse
/// the rest.
pub fn check_certificate_files(config: &Config, validator: &mut Validator<'_, '_>) {
    if let Some(tls) = &config.server.tls {
        match TlsFiles::read(tls).and_then(|files| files.certified_key(tls)) {
            Err(error) => {
                let setting = format!("server.tls.{}", error.setting);
                validator.require(false, &setting, &error.reason, error.remedy);
            }
            Ok(key) => {
                let now = validator.now;
                if let Some(warning) = validity(&key).and_then(|validity| validity.warning(now)) {
                    validator.warn(&format!("server.tls: {CERT_FILE}: {}", warning.as_str()));
                }
            }
        }
    }
    if let Some(file) = &config.upstream.ca_file {
        let reason = read_ca_bundle(file).err();
        let reason_text = format!("{} {}", file.display(), reason.as_deref().unwrap_or_default());
        let remedy = "name a readable file with root certificates in PEM form, or leave it out for the system's own";
        validator.require(reason.is_none(), "upstream.ca_file", &reason_text, remedy);
    }
}

impl TlsFiles {
    /// Reads the files as they are now.
    pub(super) fn read(settings: &TlsConfig) -> Result<Self, TlsFileError> {
        Ok(Self {
            certificate: contents(CERT_FILE, &settings.cert_file)?.to_vec(),
            key: contents(KEY_FILE, &settings.key_file)?,
        })
    }

    /// Parses the certificate chain and its key, and checks that they belong together.
    pub(super) fn certified_key(&self, settings: &TlsConfig) -> Result<Arc<CertifiedKey>, TlsFileError> {
        let (cert_file, key_file) = (settings.cert_file.display(), settings.key_file.display());
        let error = |setting, reason, remedy| TlsFileError { setting, reason, remedy };
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(&self.certificate).collect::<Result<_, _>>().unwrap_or_default();
        if chain.is_empty() {
            let remedy = "name a file with the certificate first, then its intermediate certificates";
            return Err(error(CERT_FILE, format!("{cert_file} holds no certificates in PEM form"), remedy));
        }
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|cause| {
            let reason = match cause {
                pem::Error::NoItemsFound => format!("{key_file} holds no private key in PEM form"),
                _ => format!("{key_file} is not valid PEM"),
            };
            let remedy = "name a file with the certificate's unencrypted private key (PKCS#8, SEC1 or PKCS#1)";
            error(KEY_FILE, reason, remedy)
        })?;
        let key = aws_lc_rs::sign::any_supported_type(&key).map_err(|_| {
            error(KEY_FILE, format!("{key_file} holds an unsupported key"), "use an RSA, ECDSA or Ed25519 key")
        })?;
        let certificate = CertifiedKey::new(chain, key);
        match certificate.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(Arc::new(certificate)),
            Err(Error::InconsistentKeys(_)) => {
                let reason = format!("{key_file} is not the key of the first certificate in {cert_file}");
                Err(error(KEY_FILE, reason, "put the certificate of this key first, or name its key"))
            }
            Err(_) => {
                let reason = format!("{cert_file} holds a certificate that cannot be read");
                Err(error(CERT_FILE, reason, "name a file with an X.509 certificate in PEM form"))
            }
        }
    }

    /// Identifies the contents.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update((self.certificate.len() as u64).to_be_bytes());
        digest.update(&self.certificate);
        digest.update(&*self.key);
        digest.finalize().into()
    }
}

/// Returns the validity period of the first certificate. The others are not considered: a chain may contain an expired
/// cross-signed certificate beside a valid one.
pub(super) fn validity(key: &CertifiedKey) -> Option<CertificateValidity> {
    let (_, certificate) = x509_parser::parse_x509_certificate(key.cert.first()?).ok()?;
    let validity = certificate.validity();
    // A certificate without an expiry date ends on 31 December 9999 (RFC 5280), a day after the last `Timestamp`.
    let timestamp = |seconds| Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
    Some(CertificateValidity {
        not_before: timestamp(validity.not_before.timestamp()),
        not_after: timestamp(validity.not_after.timestamp()),
    })
}

fn contents(setting: &'static str, path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsFileError> {
    let name = path.display();
    let error = |reason| TlsFileError { setting, reason, remedy: "name a PEM file that this user may read" };
    let mut bytes = Zeroizing::new(Vec::new());
    match File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes)) {
        Err(cause) => Err(error(format!("{name} cannot be read: {cause}"))),
        Ok(length) if length as u64 > MAX_BYTES => Err(error(format!("{name} is larger than 1 MiB"))),
        Ok(_) => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn validity_is_read_from_the_certificate() {
        for (year, end) in [(2027, "2027-12-31T00:00:00Z"), (9999, "9999-12-30T22:00:00.999999999Z")] {
            let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
            (params.not_before, params.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(year, 12, 31));
            let key = KeyPair::generate().unwrap();
            let certificate = params.self_signed(&key).unwrap().der().clone();
            let key =
                aws_lc_rs::sign::any_supported_type(&PrivateKeyDer::try_from(key.serialize_der()).unwrap()).unwrap();
            let validity = validity(&CertifiedKey::new(vec![certificate], Arc::clone(&key))).unwrap();
            assert_eq!(validity.not_before.to_string(), "2026-01-01T00:00:00Z");
            assert_eq!(validity.not_after.to_string(), end);
            assert!(super::validity(&CertifiedKey::new(vec![CertificateDer::from(&b"junk"[..])], key)).is_none());
        }
    }
}
