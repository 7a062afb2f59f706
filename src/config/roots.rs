//! The root certificates of `upstream.ca_file`. Read here, so that `check` and the start refuse the same files.

use std::{fs::File, io::Read, path::Path};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

/// The most that the file may hold, in bytes.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// What the file holds.
///
/// # Errors
/// What is wrong with it, to be said behind its name.
pub fn root_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let mut pem = Vec::new();
    let read = File::open(file).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut pem));
    if read.map_err(|error| format!("cannot be read: {error}"))? as u64 > MAX_BYTES {
        return Err("is over 16 MiB".to_owned());
    }
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|_| "is not sound PEM".to_owned())?;
    if certificates.is_empty() {
        return Err("holds no certificate in PEM form".to_owned());
    }
    let mut roots = RootCertStore::empty();
    for certificate in &certificates {
        roots.add(certificate.clone()).map_err(|_| "holds what is no certificate".to_owned())?;
    }
    Ok(certificates)
}
