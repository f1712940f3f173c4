//! The configuration file, `server.toml`.

use std::{net::SocketAddr, path::PathBuf};

use serde::Deserialize;

use super::{
    AnchorConfig, HsmConfig, LeaseConfig, LogConfig, RemoteConfig, TlsConfig, TrustedProxies,
};

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
    /// What log lines look like.
    #[serde(default)]
    pub log: LogConfig,
    /// Who may attach an HSM remotely.
    #[serde(default)]
    pub remote: RemoteConfig,
    /// TLS at the server's own door.
    #[serde(default)]
    pub tls: TlsConfig,
    /// Proxies whose word about the client is believed.
    #[serde(default)]
    pub trusted_proxies: TrustedProxies,
}
