//! The configuration's `[tls]` section.

use std::path::PathBuf;

use serde::Deserialize;

use super::ConfigError;

/// How TLS is done; without files, a proxy does it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "TlsFile")]
pub struct TlsConfig {
    /// The server's own certificate.
    pub files: Option<Files>,
    /// Whether clients may show who they are by a certificate.
    pub client_certificates: bool,
}

/// Where certificate and key are.
#[derive(Clone, Debug)]
pub struct Files {
    /// PEM: the server's certificate, then those of the authorities between it and a root.
    pub certificate: PathBuf,
    /// PEM: the private key.
    pub key: PathBuf,
}

/// The section as it is written.
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
            _ => return Err(ConfigError::HalfAPair),
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
    fn certificate_and_key_come_together() {
        let both: TlsConfig =
            toml::from_str("certificate_file = 'c.pem'\nkey_file = 'k.pem'").expect("good");
        assert!(both.files.is_some() && !both.client_certificates);
        assert!(toml::from_str::<TlsConfig>("certificate_file = 'c.pem'").is_err());
        assert!(toml::from_str::<TlsConfig>("key_file = 'k.pem'").is_err());
        assert!(toml::from_str::<TlsConfig>("client_certificate = true").is_err());
    }
}
