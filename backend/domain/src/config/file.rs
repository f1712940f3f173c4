//! The configuration file, `server.toml`.

use std::{net::SocketAddr, path::PathBuf};

use serde::Deserialize;

use super::{
    AnchorConfig, HsmConfig, LeaseConfig, LogConfig, RemoteConfig, SessionConfig, TlsConfig,
    TrustedProxies,
};

/// Contents of the configuration file. Unknown keys are errors, and relative paths are relative to the working directory.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigFile {
    /// Name of the server, which helpers and remote clients display. Default: "Countersign".
    pub name: Option<String>,
    /// Address and port to listen on. Default: 127.0.0.1:8080.
    pub listen: Option<SocketAddr>,
    /// Origin under which browsers open the portal: scheme, host and port, without a path. It must be https; http is
    /// accepted only for a loopback host, and only if `[tls]` has no certificate. Default: `localhost` with the port of `listen`,
    /// and https if `[tls]` has a certificate.
    pub public_origin: Option<String>,
    /// Directory of the database and the identity key. Default: `countersign-data`.
    pub data_dir: Option<PathBuf>,
    /// Loopback port on which custodians' helpers listen on their own computers. Default: 27183.
    pub helper_port: Option<u16>,
    /// Whether CardContact's test devices are accepted as genuine. Default: false.
    #[serde(default)]
    pub cardcontact_test_root: bool,
    /// `[[anchor]]`: further roots whose devices are accepted as genuine. Default: none.
    #[serde(default, rename = "anchor")]
    pub anchors: Vec<AnchorConfig>,
    /// `[[hsm]]`: signing HSMs, in addition to those that admins accepted in the portal.
    #[serde(default, rename = "hsm")]
    pub hsms: Vec<HsmConfig>,
    /// `[lease]`: limits and defaults of leases.
    #[serde(default)]
    pub lease: LeaseConfig,
    /// `[log]`: format of the log.
    #[serde(default)]
    pub log: LogConfig,
    /// `[remote]`: which devices and clients may attach remotely.
    #[serde(default)]
    pub remote: RemoteConfig,
    /// `[session]`: how long people stay logged in to the portal.
    #[serde(default)]
    pub session: SessionConfig,
    /// `[tls]`: the server's own TLS. Without a certificate, a reverse proxy must speak TLS.
    #[serde(default)]
    pub tls: TlsConfig,
    /// Addresses or networks of proxies that may name the client's address and certificate. Default: none.
    #[serde(default)]
    pub trusted_proxies: TrustedProxies,
}
