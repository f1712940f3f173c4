//! Trusted certificate authorities.

use std::path::PathBuf;

use rustls::pki_types::CertificateDer;
use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

use crate::error::ConfigError;

/// A PEM file with certificate authorities to trust in addition to the system's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaFile {
    pub path: PathBuf,
    /// The option or setting that names the file.
    pub named_by: &'static str,
}

/// Returns the system's authorities and those of `ca_file`, or Mozilla's list if there are none.
///
/// # Errors
/// The file cannot be read, or contains no valid certificate.
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

/// Checks the file.
///
/// # Errors
/// The file cannot be read, or contains no valid certificate.
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
    let broken = "it contains a certificate that cannot be read";
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|_| unusable(broken))? {
            // `parse_pem` accepts any base64 between the PEM lines, so the DER is checked here.
            let der = CertificateDer::from_slice(certificate.der());
            webpki::anchor_from_trusted_cert(&der).map_err(|_| unusable(broken))?;
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        Err(unusable("it contains no certificate"))
    } else {
        Ok(certificates)
    }
}
