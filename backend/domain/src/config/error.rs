//! The reasons why a configuration is rejected.

use countersign_protocol::{cvc::DeviceId, id::HsmId, text::UnreadableText};

use super::hsm::LONGEST_HSM_ID;

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Helpers refuse the tasks of a server whose name is longer.
    #[error("`name`: the server's name {0}")]
    ServerName(#[from] UnreadableText),
    #[error(
        "HSM `{0}` needs exactly one of `reader`, `remote = true` or (with --demo) `simulator`"
    )]
    Attachment(HsmId),
    /// The setting, which an earlier version had.
    #[error(
        "the server no longer reads SO-PINs from files: remove `{0}` and the file, and run `countersign-server so-pin HSM` when an \
         HSM is to be initialised"
    )]
    SoPinFile(&'static str),
    /// Without the device, every genuine device could attach as this HSM.
    #[error("HSM `{0}` is remote: set `device`, for example to DENK010234500000")]
    RemoteDevice(HsmId),
    #[error("HSM `{0}`: `without_secure_channel` is for remote HSMs only; remove it")]
    WithoutSecureChannel(HsmId),
    #[error("two HSMs have the device {0}: remove one of them, or correct its `device`")]
    DuplicateDevice(DeviceId),
    #[error("two HSMs have the id `{0}`: give each HSM its own id")]
    DuplicateHsm(HsmId),
    #[error(
        "`{0}` is not an HSM id: use 1 to {LONGEST_HSM_ID} lowercase letters, digits and hyphens"
    )]
    HsmId(HsmId),
    #[error("HSM `{0}` is simulated, which protects nothing: remove it, or use --demo for a demo")]
    SimulatorOutsideDemo(HsmId),
    #[error("HSM `{0}` is simulated, but this program was built without the simulator")]
    NoSimulator(HsmId),
    #[error("[lease] {name} = {value} is not possible: use 1 to {limit}, or raise {limit_name}")]
    Lease {
        name: &'static str,
        value: u32,
        limit_name: &'static str,
        limit: u32,
    },
    #[error("[lease] {0} = 0 is not possible: use at least 1")]
    LeaseZero(&'static str),
    #[error("[session] {name} = {value} is not possible: use {least} to {most}")]
    Session {
        name: &'static str,
        value: u32,
        least: u32,
        most: u32,
    },
    #[error(
        "`{0}` is not an origin: expected scheme, host and port, such as https://sign.example.org"
    )]
    Origin(String),
    #[error(
        "{0} would carry session cookies unencrypted: use https, for example by a reverse proxy, or a loopback host"
    )]
    PlainHttp(String),
    #[error(
        "[tls] needs both `certificate_file` and `key_file`; remove both if a reverse proxy speaks TLS"
    )]
    CertificateWithoutKey,
    #[error("`public_origin` is {0}, but the server itself speaks TLS: use https://")]
    TlsOrigin(String),
    /// Otherwise no client certificate could reach the server.
    #[error(
        "[tls]: `client_certificates` needs `certificate_file` and `key_file`, or `trusted_proxies` that forward the \
         certificates"
    )]
    ClientCertificates,
}
