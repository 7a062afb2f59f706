use std::{fs::File, io::Read, path::Path};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Reads the root certificates of `upstream.ca_file`.
///
/// # Errors
/// What is wrong with the file, to be written behind its name.
pub fn read_ca_bundle(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let mut pem = Vec::new();
    let read = File::open(file).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut pem));
    if read.map_err(|error| format!("cannot be read: {error}"))? as u64 > MAX_BYTES {
        return Err("is larger than 16 MiB".to_owned());
    }
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|_| "is not valid PEM".to_owned())?;
    if certificates.is_empty() {
        return Err("contains no certificate in PEM form".to_owned());
    }
    let mut roots = RootCertStore::empty();
    for certificate in &certificates {
        roots.add(certificate.clone()).map_err(|_| "contains an invalid certificate".to_owned())?;
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn unusable_ca_bundle_is_refused_with_its_reason() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let pem = |inner: &str| format!("-----BEGIN CERTIFICATE-----\n{inner}\n-----END CERTIFICATE-----\n");
        let valid = rcgen::generate_simple_self_signed(["ca.test".to_owned()]).unwrap().cert.pem();
        assert!(read_ca_bundle(&file).unwrap_err().starts_with("cannot be read: "));
        for (contents, reason) in [
            ("no certificate".to_owned(), "contains no certificate in PEM form"),
            (pem("bm90IG9uZQ=="), "contains an invalid certificate"),
            (valid.clone() + &pem("bm90IG9uZQ=="), "contains an invalid certificate"),
            (pem("junk!"), "is not valid PEM"),
            (" ".repeat(16 * 1024 * 1024) + &valid, "is larger than 16 MiB"),
        ] {
            fs::write(&file, contents).unwrap();
            assert_eq!(read_ca_bundle(&file).unwrap_err(), reason);
        }
        fs::write(&file, valid).unwrap();
        assert_eq!(read_ca_bundle(&file).unwrap().len(), 1);
    }
}
