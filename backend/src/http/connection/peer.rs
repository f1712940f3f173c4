//! Who is at the other end of a connection.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Weak},
};

use axum::{extract::connect_info::Connected, serve::IncomingStream};
use tokio::net::TcpListener;

use crate::tls::{ClientCertificate, TlsListener};

/// A connection; every request on it carries a clone.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// The certificate whose key it has proven.
    pub certificate: Option<Arc<ClientCertificate>>,
    /// Lives as long as the connection.
    alive: Arc<()>,
}

impl Peer {
    /// A connection that was just accepted.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            certificate: None,
            alive: Arc::new(()),
        }
    }

    /// Tells whether the connection still lives.
    pub fn alive(&self) -> Weak<()> {
        Arc::downgrade(&self.alive)
    }

    /// Somebody who is behind this connection, which is a proxy's.
    #[must_use]
    pub fn behind(&self, client: IpAddr, certificate: Option<ClientCertificate>) -> Self {
        let port = if client == self.address.ip() {
            self.address.port()
        } else {
            0
        };
        Self {
            address: (client, port).into(),
            certificate: certificate.map(Arc::new),
            alive: self.alive.clone(),
        }
    }
}

impl Connected<IncomingStream<'_, TcpListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        Self::new(*stream.remote_addr())
    }
}

impl Connected<IncomingStream<'_, TlsListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        Self {
            certificate: stream.io().certificate(),
            ..Self::new(*stream.remote_addr())
        }
    }
}
