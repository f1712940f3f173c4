//! The server's own certificate and private key.

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
    #[error("cannot read {}: {why}", file.display())]
    Unreadable { file: PathBuf, why: std::io::Error },
    #[error("{} is damaged: expected a file in PEM", .0.display())]
    Damaged(PathBuf),
    #[error("{} holds no certificate: expected PEM that begins with BEGIN CERTIFICATE", .0.display())]
    NoCertificate(PathBuf),
    /// The file holds something else, or the key is encrypted.
    #[error("{} holds no usable private key: expected PEM that begins with BEGIN PRIVATE KEY and is not encrypted", .0.display())]
    NoKey(PathBuf),
    #[error(
        "the key in {} does not belong to the first certificate in {}", key.display(), certificate.display()
    )]
    OtherKey { certificate: PathBuf, key: PathBuf },
    #[error("{} and its key cannot be used: {why}", certificate.display())]
    Unusable {
        certificate: PathBuf,
        /// The error text of rustls.
        why: String,
    },
}

/// The certificate and key for new connections.
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

pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

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
        // Sessions are not resumed, so that the client proves its key on every connection.
        tls.session_storage = Arc::new(NoServerSessionStorage {});
        tls.send_tls13_tickets = 0;
    }
    Ok(tls)
}

/// Reads the certificate and its key. Logs a warning if the certificate is not valid now, or if other users can access the key.
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
        // The parser's own text may quote the key, so it is left out.
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
    if now > seconds(validity.not_after) {
        tracing::warn!(
            file = %file.display(),
            not_after = %validity.not_after,
            "the TLS certificate has expired, so clients reject it"
        );
    } else if now < seconds(validity.not_before) {
        tracing::warn!(
            file = %file.display(),
            not_before = %validity.not_before,
            "the TLS certificate is not valid yet, so clients reject it"
        );
    }
}

fn warn_of_permissions(key: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let open = std::fs::metadata(key).is_ok_and(|data| data.permissions().mode() & 0o007 != 0);
    if open {
        tracing::warn!(
            file = %key.display(),
            "the TLS private key was found accessible to every user of this machine: run `chmod 600` on the file"
        );
    }
}
