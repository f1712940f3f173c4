//! Why a configuration cannot be used.

use countersign_protocol::{cvc::DeviceId, id::HsmId};

use super::hsm::LONGEST_HSM_ID;

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
