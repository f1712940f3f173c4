//! Which certificate authorities are trusted.

use std::path::PathBuf;

use rustls::pki_types::CertificateDer;
use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

use crate::error::ConfigError;

/// A PEM file with certificate authorities that are trusted besides the system's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaFile {
    /// Where it is.
    pub path: PathBuf,
    /// The option or setting that named it.
    pub named_by: &'static str,
}

/// The system's authorities and those of `ca_file`; Mozilla's list where the system has none.
///
/// # Errors
/// [`ConfigError`]: the file cannot be used.
pub fn load(ca_file: Option<&CaFile>) -> Result<RootCerts, ConfigError> {
    let mut roots: Vec<Certificate<'static>> = rustls_native_certs::load_native_certs()
        .certs
        .iter()
        .map(|der| Certificate::from_der(der).to_owned())
        .collect();
    if let Some(file) = ca_file {
        roots.extend(read(file)?);
    }
    Ok(if roots.is_empty() {
        RootCerts::WebPki
    } else {
        RootCerts::from(roots)
    })
}

/// Whether the file can be used.
///
/// # Errors
/// [`ConfigError`]: it cannot.
pub fn check(ca_file: Option<&CaFile>) -> Result<(), ConfigError> {
    ca_file.map_or(Ok(()), |file| read(file).map(drop))
}

fn read(file: &CaFile) -> Result<Vec<Certificate<'static>>, ConfigError> {
    let pem = std::fs::read(&file.path).map_err(|error| ConfigError::Unreadable {
        file: file.path.clone(),
        named_by: file.named_by,
        error,
    })?;
    let unusable = |why| ConfigError::CaFile {
        file: file.path.clone(),
        why,
        named_by: file.named_by,
    };
    let broken = "has a certificate that cannot be read";
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|_| unusable(broken))? {
            // Whatever stands between the lines of a PEM passes as its content.
            let der = CertificateDer::from_slice(certificate.der());
            webpki::anchor_from_trusted_cert(&der).map_err(|_| unusable(broken))?;
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        Err(unusable("has no certificate"))
    } else {
        Ok(certificates)
    }
}
