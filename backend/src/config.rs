//! Configuration: a TOML file, with the command line above it.

use std::{net::SocketAddr, path::PathBuf};

use countersign_protocol::{
    cvc::DeviceId, id::HsmId, lease::LeaseLimits, loopback::is_loopback_origin,
};
use serde::Deserialize;

use crate::tls::{TlsConfig, TrustedProxies};

/// Contents of the configuration file. Unknown names are refused.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigFile {
    /// Name of the server for people.
    pub name: Option<String>,
    /// Where to listen.
    pub listen: Option<SocketAddr>,
    /// Origin under which browsers see the portal.
    pub public_origin: Option<String>,
    /// Where the database and the identity key are.
    pub data_dir: Option<PathBuf>,
    /// Port of the custodians' helper.
    pub helper_port: Option<u16>,
    /// Folder with SO-PINs, `ID.so-pin` for each HSM; needed only while an HSM is initialised.
    pub so_pin_dir: Option<PathBuf>,
    /// Accept CardContact's test devices.
    #[serde(default)]
    pub cardcontact_test_root: bool,
    /// Further trust anchors.
    #[serde(default, rename = "anchor")]
    pub anchors: Vec<AnchorConfig>,
    /// Signing HSMs.
    #[serde(default, rename = "hsm")]
    pub hsms: Vec<HsmConfig>,
    /// Bounds of leases.
    #[serde(default)]
    pub lease: LeaseConfig,
    /// Who may attach an HSM from afar.
    #[serde(default)]
    pub remote: RemoteConfig,
    /// TLS at the server's own door.
    #[serde(default)]
    pub tls: TlsConfig,
    /// Proxies whose word about the client is believed.
    #[serde(default)]
    pub trusted_proxies: TrustedProxies,
}

/// A trust anchor.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnchorConfig {
    /// Name for people.
    pub name: String,
    /// The root's card-verifiable certificate.
    pub file: PathBuf,
}

/// A signing HSM.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "HsmFile")]
pub struct HsmConfig {
    /// What people call it.
    pub id: HsmId,
    /// How the server reaches it.
    pub attachment: Attachment,
    /// The device that must be there; without it, the first one seen is remembered.
    pub device: Option<DeviceId>,
    /// File with the SO-PIN, 16 hex digits; needed only while the HSM is initialised.
    pub so_pin_file: Option<PathBuf>,
}

/// How the server reaches an HSM.
#[derive(Clone, Debug)]
pub enum Attachment {
    /// In a PC/SC reader of this machine: its name, or how it begins.
    Reader(String),
    /// A simulated HSM's card file; only with `--demo`.
    Simulator(PathBuf),
    /// By a RAMOverHTTP client elsewhere.
    Remote {
        /// The device.
        device: DeviceId,
        /// Accepted although whoever is in between can read and change its commands.
        without_secure_channel: bool,
    },
}

/// An `[[hsm]]` section as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HsmFile {
    id: HsmId,
    reader: Option<String>,
    simulator: Option<PathBuf>,
    #[serde(default)]
    remote: bool,
    device: Option<DeviceId>,
    #[serde(default)]
    without_secure_channel: bool,
    so_pin_file: Option<PathBuf>,
}

impl TryFrom<HsmFile> for HsmConfig {
    type Error = ConfigError;

    fn try_from(file: HsmFile) -> Result<Self, ConfigError> {
        let attachment = match (file.reader, file.simulator, file.remote, &file.device) {
            (Some(reader), None, false, _) => Attachment::Reader(reader),
            (None, Some(card), false, _) => Attachment::Simulator(card),
            (None, None, true, Some(device)) => Attachment::Remote {
                device: device.clone(),
                without_secure_channel: file.without_secure_channel,
            },
            (None, None, true, None) => return Err(ConfigError::RemoteDevice(file.id)),
            _ => return Err(ConfigError::Attachment(file.id)),
        };
        if file.without_secure_channel && !matches!(attachment, Attachment::Remote { .. }) {
            return Err(ConfigError::WithoutSecureChannel(file.id));
        }
        Ok(Self {
            id: file.id,
            attachment,
            device: file.device,
            so_pin_file: file.so_pin_file,
        })
    }
}

/// Who may attach an HSM from afar.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RemoteConfig {
    /// Genuine devices that no `[[hsm]]` section names.
    pub unknown: UnknownDevices,
    /// File with a token; clients then have to use the address `/rt/hsm/TOKEN`.
    pub token_file: Option<PathBuf>,
}

/// What becomes of a genuine device that nobody has named yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownDevices {
    /// It waits until an admin accepts it.
    #[default]
    Wait,
    /// It is turned away.
    Refuse,
}

/// Largest and usual bounds of leases.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LeaseConfig {
    /// Longest lease, in seconds.
    pub max_seconds: u32,
    /// Most signatures.
    pub max_signatures: u32,
    /// Used where a request names none, in seconds.
    pub default_seconds: u32,
    /// How long custodians may take where a request does not say, in seconds.
    pub collect_seconds: u32,
    /// Longest time for that, in seconds.
    pub max_collect_seconds: u32,
}

impl Default for LeaseConfig {
    fn default() -> Self {
        Self {
            max_seconds: 12 * 3600,
            max_signatures: 100_000,
            default_seconds: 3600,
            collect_seconds: 24 * 3600,
            max_collect_seconds: 7 * 24 * 3600,
        }
    }
}

impl LeaseConfig {
    /// Whether limits are within bounds.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self, limits: LeaseLimits) -> Result<(), String> {
        if limits.seconds == 0 || limits.seconds > self.max_seconds {
            return Err(format!(
                "a lease may last 1 to {} seconds here",
                self.max_seconds
            ));
        }
        if limits.signatures == 0 || limits.signatures > self.max_signatures {
            return Err(format!(
                "a lease may have 1 to {} signatures here",
                self.max_signatures
            ));
        }
        Ok(())
    }
}

/// The checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name of the server for people.
    pub name: String,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Origin under which browsers see the portal.
    pub public_origin: String,
    /// Where the database and the identity key are.
    pub data_dir: PathBuf,
    /// Port of the custodians' helper.
    pub helper_port: u16,
    /// Folder with SO-PINs, `ID.so-pin` for each HSM.
    pub so_pin_dir: Option<PathBuf>,
    /// Simulated cards are accepted.
    pub demo: bool,
    /// Accept CardContact's test devices.
    pub cardcontact_test_root: bool,
    /// Further trust anchors.
    pub anchors: Vec<AnchorConfig>,
    /// Signing HSMs.
    pub hsms: Vec<HsmConfig>,
    /// Bounds of leases.
    pub lease: LeaseConfig,
    /// Who may attach an HSM from afar.
    pub remote: RemoteConfig,
    /// TLS at the server's own door.
    pub tls: TlsConfig,
    /// Proxies whose word about the client is believed.
    pub trusted_proxies: TrustedProxies,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// An HSM without, or with two, attachments.
    #[error(
        "HSM `{0}`: name exactly one of `reader`, `remote = true` or (with --demo) `simulator`"
    )]
    Attachment(HsmId),
    /// Anybody can connect from afar.
    #[error("HSM `{0}` is remote: name its `device`, such as DENK0102345600000")]
    RemoteDevice(HsmId),
    /// Nothing to accept.
    #[error("HSM `{0}`: `without_secure_channel` is for remote HSMs only; remove it")]
    WithoutSecureChannel(HsmId),
    /// Twice the same device.
    #[error("two HSMs name the device {0}: a device can be at one place only")]
    DuplicateDevice(DeviceId),
    /// Twice the same id.
    #[error("there are two HSMs called `{0}`: every HSM needs an id of its own")]
    DuplicateHsm(HsmId),
    /// Unusable id.
    #[error(
        "`{0}` is no id for an HSM: use 1 to {LONGEST_HSM_ID} small letters, digits and dashes"
    )]
    HsmId(HsmId),
    /// Simulation in production.
    #[error("HSM `{0}` is simulated: that protects nothing. Start with --demo if this is a demo")]
    SimulatorOutsideDemo(HsmId),
    /// Simulation in a build without it.
    #[error("HSM `{0}` is simulated, but this program was built without the simulator")]
    NoSimulator(HsmId),
    /// Not an origin.
    #[error(
        "`{0}` is no origin: write scheme, host and port as browsers do, for example https://sign.example.org"
    )]
    Origin(String),
    /// Plain http over a network.
    #[error(
        "{0} would carry sessions in the clear: use https (a reverse proxy does), or a loopback host"
    )]
    PlainHttp(String),
    /// Certificate without key, or the other way round.
    #[error(
        "[tls]: name both `certificate_file` and `key_file`, or neither and let a proxy do TLS"
    )]
    HalfAPair,
    /// TLS that browsers would not use.
    #[error(
        "{0} is not where this server is, as it speaks TLS itself: `public_origin` begins with https://"
    )]
    TlsOrigin(String),
    /// Nobody who could see a client's certificate.
    #[error(
        "[tls]: `client_certificates` needs `certificate_file` and `key_file`, or `trusted_proxies` that pass them on"
    )]
    ClientCertificates,
}

impl Config {
    /// Checks everything that can be checked without touching anything.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn check(&self) -> Result<(), ConfigError> {
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

/// The label of a PKCS#11 token is the HSM's id, and has no room for more; what is cut off could not be told apart.
const LONGEST_HSM_ID: usize = 32;

/// Whether an HSM can be called so.
///
/// # Errors
/// [`ConfigError::HsmId`].
pub fn check_hsm_id(id: &HsmId) -> Result<(), ConfigError> {
    let text = id.as_str();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if (1..=LONGEST_HSM_ID).contains(&text.len()) && text.chars().all(plain) {
        Ok(())
    } else {
        Err(ConfigError::HsmId(id.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(origin: &str, demo: bool, hsms: Vec<HsmConfig>) -> Config {
        Config {
            name: "test".into(),
            listen: ([127, 0, 0, 1], 0).into(),
            public_origin: origin.into(),
            data_dir: PathBuf::new(),
            helper_port: 1,
            so_pin_dir: None,
            demo,
            cardcontact_test_root: false,
            anchors: vec![],
            hsms,
            lease: LeaseConfig::default(),
            remote: RemoteConfig::default(),
            tls: TlsConfig::default(),
            trusted_proxies: TrustedProxies::default(),
        }
    }

    fn simulated(id: &str) -> HsmConfig {
        HsmConfig {
            id: HsmId::new(id),
            attachment: Attachment::Simulator("hsm.json".into()),
            device: None,
            so_pin_file: None,
        }
    }

    #[test]
    fn simulated_hsms_are_refused_outside_demo() {
        let config = config("https://a", false, vec![simulated("a")]);
        assert!(matches!(
            config.check(),
            Err(ConfigError::SimulatorOutsideDemo(_))
        ));
    }

    #[test]
    fn sessions_never_travel_in_the_clear() {
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
    fn a_server_with_a_certificate_is_reached_by_https() {
        let mut config = config("http://localhost:8080", false, vec![]);
        config.tls.client_certificates = true;
        assert!(matches!(
            config.check(),
            Err(ConfigError::ClientCertificates)
        ));
        config.tls.files = Some(crate::tls::Files {
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
    fn unknown_names_in_the_file_are_refused() {
        assert!(toml::from_str::<ConfigFile>("nmae = 'typo'").is_err());
    }
}
