//! The certificate by which this program shows who it is, instead of a token.

use std::{fs::File, io::Read, path::PathBuf};

use ureq::tls::{ClientCert, PemItem, parse_pem};
use zeroize::Zeroizing;

use crate::{error::ConfigError, token_file::open_to_others};

/// Reads at most this much; more is neither certificate nor key.
const LONGEST: u64 = 256 * 1024;

/// Where certificate and key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM with the certificate.
    pub certificate: PathBuf,
    /// PEM with its private key, unencrypted; only its owner may be able to read it.
    pub key: PathBuf,
}

impl CertificateFiles {
    /// Reads both.
    pub(crate) fn load(&self) -> Result<ClientCert, ConfigError> {
        let unusable = |file: &PathBuf, what| ConfigError::ClientCertificate {
            file: file.clone(),
            what,
        };
        let mut chain = Vec::new();
        for item in parse_pem(&self.read(&self.certificate, false)?) {
            let item = item.map_err(|_| unusable(&self.certificate, "certificate"))?;
            if let PemItem::Certificate(certificate) = item {
                chain.push(certificate);
            }
        }
        if chain.is_empty() {
            return Err(unusable(&self.certificate, "certificate"));
        }
        let pem = self.read(&self.key, true)?;
        let key = parse_pem(&pem).find_map(|item| match item {
            Ok(PemItem::PrivateKey(key)) => Some(key),
            _ => None,
        });
        let key = key.ok_or_else(|| unusable(&self.key, "private key without a password"))?;
        Ok(ClientCert::new_with_certs(&chain, key))
    }

    fn read(&self, file: &PathBuf, secret: bool) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable {
            file: file.clone(),
            named_by: if secret {
                "client_key_file"
            } else {
                "client_certificate_file"
            },
            source,
        };
        let opened = File::open(file).map_err(unreadable)?;
        if secret && open_to_others(&opened).map_err(unreadable)? {
            return Err(ConfigError::KeyFileOpen { file: file.clone() });
        }
        let mut content = Zeroizing::new(Vec::with_capacity(16 * 1024));
        opened
            .take(LONGEST)
            .read_to_end(&mut content)
            .map_err(unreadable)?;
        Ok(content)
    }
}
