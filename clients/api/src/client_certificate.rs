//! Client certificates, which authenticate a program instead of a token.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use rustls::{
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use ureq::tls::{Certificate, ClientCert, PrivateKey};
use zeroize::Zeroizing;

use crate::{error::ConfigError, token_file::is_accessible_to_others};

/// Limit for reading a file, in bytes. A larger file is neither a certificate nor a key.
const MAX_FILE_LENGTH: u64 = 256 * 1024;

/// Paths of a client certificate and its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    pub certificate: PathBuf,
    /// The unencrypted private key. Only its owner may have access to the file.
    pub key: PathBuf,
}

impl CertificateFiles {
    pub(crate) fn load(&self) -> Result<ClientCert, ConfigError> {
        let unusable = |file: &Path, what| ConfigError::ClientCertificate {
            file: file.to_owned(),
            what,
        };
        let pem = read(&self.certificate, "`client_certificate_file`", false)?;
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<_, _>>()
            .map_err(|_| unusable(&self.certificate, "certificate"))?;
        let pem = read(&self.key, "`client_key_file`", true)?;
        let no_key = || unusable(&self.key, "private key without a password");
        let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| no_key())?;
        let pair = ClientCert::new_with_certs(
            &chain
                .iter()
                .map(|der| Certificate::from_der(der).to_owned())
                .collect::<Vec<_>>(),
            PrivateKey::from_pem(&pem).map_err(|_| no_key())?,
        );
        // Check the pair now, because ureq would panic at the first request.
        CertifiedKey::from_der(chain, key, &default_provider())
            .map_err(|_| unusable(&self.certificate, "certificate for the private key"))?;
        Ok(pair)
    }
}

fn read(
    file: &Path,
    named_by: &'static str,
    secret: bool,
) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
    let unreadable = |error| ConfigError::Unreadable {
        file: file.to_owned(),
        named_by,
        error,
    };
    let opened = File::open(file).map_err(unreadable)?;
    if secret && is_accessible_to_others(&opened).map_err(unreadable)? {
        return Err(ConfigError::KeyFileAccessible {
            file: file.to_owned(),
        });
    }
    let mut content = Zeroizing::new(Vec::with_capacity(16 * 1024));
    opened
        .take(MAX_FILE_LENGTH)
        .read_to_end(&mut content)
        .map_err(unreadable)?;
    Ok(content)
}
