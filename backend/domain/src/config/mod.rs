//! Configuration: a TOML file, which the command line overrides.

mod error;
mod file;
mod hsm;
mod lease;
mod log;
mod proxies;
mod remote;
mod retired;
mod session;
mod tls;

pub use error::ConfigError;
pub use file::ConfigFile;
pub use hsm::{Attachment, HsmConfig, check_hsm_id};
pub use lease::LeaseConfig;
pub use log::{LogConfig, LogFormat};
pub use proxies::{NotANetwork, TrustedProxies};
pub use remote::{RemoteConfig, UnknownDevices};
pub use retired::check_retired;
pub use session::SessionConfig;
pub use tls::{Files, TlsConfig};

use std::{net::SocketAddr, path::PathBuf};

use countersign_protocol::{limits, loopback::is_loopback_origin, text};
use serde::Deserialize;

/// An `[[anchor]]` section: a further root whose devices are accepted as genuine, cards and HSMs alike.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnchorConfig {
    /// Name of the root on screens and in receipts.
    pub name: String,
    /// File with the root's self-signed card-verifiable certificate.
    pub file: PathBuf,
}

/// The complete configuration: the file with the command line's values and defaults. [`ConfigFile`] explains the settings.
#[derive(Clone, Debug)]
pub struct Config {
    pub name: String,
    pub listen: SocketAddr,
    pub public_origin: String,
    pub data_dir: PathBuf,
    pub helper_port: u16,
    /// `--demo`: simulated cards are accepted, which protect nothing. The file cannot set this.
    pub demo: bool,
    pub cardcontact_test_root: bool,
    pub anchors: Vec<AnchorConfig>,
    pub hsms: Vec<HsmConfig>,
    pub lease: LeaseConfig,
    pub log: LogConfig,
    pub remote: RemoteConfig,
    pub session: SessionConfig,
    pub tls: TlsConfig,
    pub trusted_proxies: TrustedProxies,
}

impl Config {
    /// Checks what can be checked without reading another file or using a device.
    pub fn check(&self) -> Result<(), ConfigError> {
        text::check(&self.name, limits::SERVER_NAME)?;
        let mut seen = std::collections::HashSet::new();
        let mut devices = std::collections::HashSet::new();
        for hsm in &self.hsms {
            check_hsm_id(&hsm.id)?;
            if !seen.insert(&hsm.id) {
                return Err(ConfigError::DuplicateHsm(hsm.id.clone()));
            }
            if let Some(device) = hsm
                .device
                .as_ref()
                .filter(|device| !devices.insert(*device))
            {
                return Err(ConfigError::DuplicateDevice(device.clone()));
            }
            match &hsm.attachment {
                Attachment::Simulator(_) if !self.demo => {
                    return Err(ConfigError::SimulatorOutsideDemo(hsm.id.clone()));
                }
                Attachment::Simulator(_) if !cfg!(feature = "simulator") => {
                    return Err(ConfigError::NoSimulator(hsm.id.clone()));
                }
                Attachment::Simulator(_) | Attachment::Reader(_) | Attachment::Remote { .. } => {}
            }
        }
        self.lease.check_defaults()?;
        self.session.check()?;
        let (scheme, host) = self
            .public_origin
            .split_once("://")
            .ok_or_else(|| ConfigError::Origin(self.public_origin.clone()))?;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-:[]".contains(c);
        if host.is_empty() || !host.chars().all(plain) {
            return Err(ConfigError::Origin(self.public_origin.clone()));
        }
        if self.tls.client_certificates
            && self.tls.files.is_none()
            && self.trusted_proxies.is_empty()
        {
            return Err(ConfigError::ClientCertificates);
        }
        match scheme {
            "https" => Ok(()),
            "http" if self.tls.files.is_some() => {
                Err(ConfigError::TlsOrigin(self.public_origin.clone()))
            }
            "http" if is_loopback_origin(host) => Ok(()),
            "http" => Err(ConfigError::PlainHttp(self.public_origin.clone())),
            _ => Err(ConfigError::Origin(self.public_origin.clone())),
        }
    }

    /// Whether browsers reach the portal over TLS.
    pub fn is_https(&self) -> bool {
        self.public_origin.starts_with("https://")
    }
}

#[cfg(test)]
mod tests {
    use countersign_protocol::id::HsmId;

    use super::{hsm::LONGEST_HSM_ID, *};

    fn config(origin: &str, demo: bool, hsms: Vec<HsmConfig>) -> Config {
        Config {
            name: "test".into(),
            listen: ([127, 0, 0, 1], 0).into(),
            public_origin: origin.into(),
            data_dir: PathBuf::new(),
            helper_port: 1,
            demo,
            cardcontact_test_root: false,
            anchors: vec![],
            hsms,
            lease: LeaseConfig::default(),
            log: LogConfig::default(),
            remote: RemoteConfig::default(),
            session: SessionConfig::default(),
            tls: TlsConfig::default(),
            trusted_proxies: TrustedProxies::default(),
        }
    }

    fn simulated(id: &str) -> HsmConfig {
        HsmConfig {
            id: HsmId::new(id),
            attachment: Attachment::Simulator("hsm.json".into()),
            device: None,
        }
    }

    #[test]
    fn a_name_that_helpers_would_refuse_is_rejected() {
        let named = |name: &str| {
            let config = config("http://localhost", true, vec![]);
            let name = name.to_owned();
            Config { name, ..config }.check()
        };
        assert!(named(&"é".repeat(100)).is_ok());
        for name in ["x".repeat(101), String::new(), "a\nb".into()] {
            assert!(
                matches!(named(&name), Err(ConfigError::ServerName(_))),
                "{name}"
            );
        }
    }

    #[test]
    fn defaults_beyond_their_limits_are_rejected() {
        let with = |change: fn(&mut LeaseConfig)| {
            let mut config = config("http://localhost", true, vec![]);
            change(&mut config.lease);
            config.check()
        };
        assert!(with(|_| ()).is_ok());
        let changes: [fn(&mut LeaseConfig); 4] = [
            |lease| lease.max_seconds = lease.default_seconds - 1,
            |lease| lease.default_seconds = 0,
            |lease| lease.max_approval_seconds = lease.approval_seconds - 1,
            |lease| lease.approval_seconds = 0,
        ];
        for change in changes {
            assert!(matches!(with(change), Err(ConfigError::Lease { .. })));
        }
        let zeros: [fn(&mut LeaseConfig); 3] = [
            |lease| lease.turn_seconds = 0,
            |lease| lease.max_waiting_requests = 0,
            |lease| lease.max_waiting_bytes = 0,
        ];
        for change in zeros {
            assert!(matches!(with(change), Err(ConfigError::LeaseZero(_))));
        }
    }

    #[test]
    fn limits_of_sessions_that_cannot_be_kept_are_rejected() {
        let with = |change: fn(&mut SessionConfig)| {
            let mut config = config("http://localhost", true, vec![]);
            change(&mut config.session);
            config.check()
        };
        assert!(with(|_| ()).is_ok());
        let changes: [fn(&mut SessionConfig); 6] = [
            |session| session.idle_seconds = 119,
            |session| session.idle_seconds = session.max_seconds + 1,
            |session| session.secret_seconds = 0,
            |session| session.secret_seconds = session.max_seconds + 1,
            |session| session.max_seconds = 7 * 24 * 3600 + 1,
            |session| session.max_seconds = 0,
        ];
        for change in changes {
            assert!(matches!(with(change), Err(ConfigError::Session { .. })));
        }
    }

    #[test]
    fn simulated_hsms_are_rejected_outside_demo() {
        let config = config("https://a", false, vec![simulated("a")]);
        assert!(matches!(
            config.check(),
            Err(ConfigError::SimulatorOutsideDemo(_))
        ));
    }

    #[test]
    fn an_origin_that_would_carry_sessions_unencrypted_is_rejected() {
        for good in [
            "https://sign.example.org",
            "http://localhost:8080",
            "http://127.0.0.1:1",
            "http://[::1]:80",
        ] {
            assert!(config(good, false, vec![]).check().is_ok(), "{good}");
        }
        for bad in [
            "http://sign.example.org",
            "sign.example.org",
            "https://",
            "ftp://a",
            "https://a/path",
        ] {
            assert!(config(bad, false, vec![]).check().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_server_with_a_certificate_needs_an_https_origin() {
        let mut config = config("http://localhost:8080", false, vec![]);
        config.tls.client_certificates = true;
        assert!(matches!(
            config.check(),
            Err(ConfigError::ClientCertificates)
        ));
        config.tls.files = Some(Files {
            certificate: "c.pem".into(),
            key: "k.pem".into(),
        });
        assert!(matches!(config.check(), Err(ConfigError::TlsOrigin(_))));
        config.public_origin = "https://localhost:8080".into();
        assert!(config.check().is_ok());
    }

    #[test]
    fn hsm_ids_are_unique_and_plain() {
        let two = config("https://a", true, vec![simulated("a"), simulated("a")]);
        assert!(two.check().is_err());
        assert!(
            config("https://a", true, vec![simulated("A b")])
                .check()
                .is_err()
        );
        let long = "h".repeat(LONGEST_HSM_ID);
        assert!(check_hsm_id(&HsmId::new(&long)).is_ok());
        assert!(check_hsm_id(&HsmId::new(format!("{long}h"))).is_err());
    }

    #[test]
    fn an_hsm_is_attached_in_exactly_one_way() {
        let read = |text: &str| toml::from_str::<HsmConfig>(&format!("id = 'a'\n{text}"));
        for good in [
            "reader = 'Nitrokey'",
            "simulator = 'card.json'",
            "remote = true\ndevice = 'DENK010234500000'",
            "remote = true\ndevice = 'DENK010234500000'\nwithout_secure_channel = true",
        ] {
            assert!(read(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "remote = true",
            "reader = 'a'\nremote = true\ndevice = 'DENK010234500000'",
            "reader = 'a'\nsimulator = 'b'",
            "reader = 'a'\nwithout_secure_channel = true",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn unknown_keys_in_the_file_are_rejected() {
        assert!(toml::from_str::<ConfigFile>("nmae = 'typo'").is_err());
    }
}
