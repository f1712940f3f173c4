//! The server's own certificate and key.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use countersign_protocol::Timestamp;
use rustls::{
    ServerConfig,
    crypto::CryptoProvider,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
};
use x509_cert::{Certificate, der::Decode};

use super::verifier::AnyCertificate;
use crate::config::{Files, TlsConfig};

/// Why a certificate and its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// No file, or no permission.
    #[error("cannot read {}: {why}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        why: std::io::Error,
    },
    /// Not PEM.
    #[error("{} is damaged: it must be PEM", .0.display())]
    Damaged(PathBuf),
    /// PEM of something else.
    #[error("{} has no certificate in it: it must be PEM with BEGIN CERTIFICATE", .0.display())]
    NoCertificate(PathBuf),
    /// PEM of something else, or encrypted.
    #[error("{} has no private key in it: it must be PEM with BEGIN PRIVATE KEY, not encrypted", .0.display())]
    NoKey(PathBuf),
    /// Files of two pairs.
    #[error(
        "the key in {} does not belong to the first certificate in {}", key.display(), certificate.display()
    )]
    OtherKey {
        /// File of the certificate.
        certificate: PathBuf,
        /// File of the key.
        key: PathBuf,
    },
    /// Anything else.
    #[error("{} and its key cannot be used: {why}", certificate.display())]
    Unusable {
        /// File of the certificate.
        certificate: PathBuf,
        /// rustls's words.
        why: String,
    },
}

/// The pair that new connections get.
#[derive(Debug)]
pub struct Current(RwLock<Arc<CertifiedKey>>);

impl Current {
    pub fn new(pair: CertifiedKey) -> Self {
        Self(RwLock::new(Arc::new(pair)))
    }

    pub fn replace(&self, pair: CertifiedKey) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pair);
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(current.clone())
    }
}

/// The algorithms.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// What rustls is told.
pub fn server_config(
    config: &TlsConfig,
    current: Arc<Current>,
) -> Result<ServerConfig, rustls::Error> {
    let builder =
        ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let builder = if config.client_certificates {
        builder.with_client_cert_verifier(Arc::new(AnyCertificate(provider())))
    } else {
        builder.with_no_client_auth()
    };
    let mut tls = builder.with_cert_resolver(current);
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    if config.client_certificates {
        // Every connection proves the client's key anew, not the memory of an earlier one.
        tls.session_storage = Arc::new(NoServerSessionStorage {});
        tls.send_tls13_tickets = 0;
    }
    Ok(tls)
}

/// Reads the pair; warns of what works but should not be so.
///
/// # Errors
/// [`TlsError`].
pub fn load(files: &Files) -> Result<CertifiedKey, TlsError> {
    let chain = read(&files.certificate, |file| {
        CertificateDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>()
    })?;
    let Some(own) = chain.first().cloned() else {
        return Err(TlsError::NoCertificate(files.certificate.clone()));
    };
    let key = read(&files.key, |file| PrivateKeyDer::from_pem_file(file))?;
    let pair = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => TlsError::OtherKey {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
        },
        other => TlsError::Unusable {
            certificate: files.certificate.clone(),
            why: other.to_string(),
        },
    })?;
    warn_of_dates(&files.certificate, &own);
    warn_of_permissions(&files.key);
    Ok(pair)
}

fn read<T>(file: &Path, read: impl FnOnce(&Path) -> Result<T, pem::Error>) -> Result<T, TlsError> {
    read(file).map_err(|error| match error {
        pem::Error::Io(why) => TlsError::Unreadable {
            file: file.to_owned(),
            why,
        },
        pem::Error::NoItemsFound => TlsError::NoKey(file.to_owned()),
        // Not the parser's words: they may quote the key.
        _ => TlsError::Damaged(file.to_owned()),
    })
}

fn warn_of_dates(file: &Path, der: &[u8]) {
    let Ok(certificate) = Certificate::from_der(der) else {
        return;
    };
    let validity = certificate.tbs_certificate().validity();
    let now = Timestamp::now().as_second();
    let seconds = |time: x509_cert::time::Time| {
        i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
    };
    let file = file.display();
    if now > seconds(validity.not_after) {
        tracing::warn!(
            "the certificate in {file} has expired on {}: clients refuse it",
            validity.not_after
        );
    } else if now < seconds(validity.not_before) {
        tracing::warn!(
            "the certificate in {file} is valid only from {} on: clients refuse it",
            validity.not_before
        );
    }
}

fn warn_of_permissions(key: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let open = std::fs::metadata(key).is_ok_and(|data| data.permissions().mode() & 0o007 != 0);
    if open {
        tracing::warn!(
            "every user of this machine can get at the private key {0}: `chmod 600 {0}`",
            key.display()
        );
    }
}
