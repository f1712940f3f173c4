//! The configuration's `[tls]` section.

use std::path::PathBuf;

use serde::Deserialize;

use super::ConfigError;

/// The server's own TLS. Without certificate and key, the server speaks plain HTTP, and a reverse proxy must speak TLS.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "TlsFile")]
pub struct TlsConfig {
    /// `certificate_file` and `key_file`: both or neither.
    pub files: Option<Files>,
    /// Whether a client certificate that is bound to an API token authenticates a program. It needs the server's own certificate
    /// or `trusted_proxies`. Default: false.
    pub client_certificates: bool,
}

/// PEM files with the server's certificate and key. The server reads them again when they change.
#[derive(Clone, Debug)]
pub struct Files {
    /// The server's certificate first, then its intermediate certificates.
    pub certificate: PathBuf,
    /// The private key, unencrypted.
    pub key: PathBuf,
}

/// The section as it is in the file. [`TlsConfig`] explains the keys.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsFile {
    certificate_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    #[serde(default)]
    client_certificates: bool,
}

impl TryFrom<TlsFile> for TlsConfig {
    type Error = ConfigError;

    fn try_from(file: TlsFile) -> Result<Self, ConfigError> {
        let files = match (file.certificate_file, file.key_file) {
            (Some(certificate), Some(key)) => Some(Files { certificate, key }),
            (None, None) => None,
            _ => return Err(ConfigError::CertificateWithoutKey),
        };
        Ok(Self {
            files,
            client_certificates: file.client_certificates,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificate_and_key_are_both_needed() {
        let both: TlsConfig =
            toml::from_str("certificate_file = 'c.pem'\nkey_file = 'k.pem'").expect("good");
        assert!(both.files.is_some() && !both.client_certificates);
        assert!(toml::from_str::<TlsConfig>("certificate_file = 'c.pem'").is_err());
        assert!(toml::from_str::<TlsConfig>("key_file = 'k.pem'").is_err());
        assert!(toml::from_str::<TlsConfig>("client_certificate = true").is_err());
    }
}
