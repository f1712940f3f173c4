//! The socket on which clients connect: plain HTTP for this machine or for a proxy, or the server's own TLS.

use tokio::net::TcpListener;

use crate::{
    config::TlsConfig,
    tls::{HandshakeLimits, Reload, TlsListener},
};

pub enum Listener {
    Plain(TcpListener),
    Tls(TlsListener, Reload),
}

impl Listener {
    /// Accepts connections from this socket, with TLS if the configuration names a certificate.
    ///
    /// # Errors
    /// The certificate or its key cannot be used.
    pub fn open(tcp: TcpListener, config: &TlsConfig) -> anyhow::Result<Self> {
        Ok(match &config.files {
            None => Self::Plain(tcp),
            Some(files) => {
                let (listener, reload) =
                    TlsListener::new(tcp, files, config, HandshakeLimits::default())?;
                Self::Tls(listener, reload)
            }
        })
    }
}
