//! The peer of a connection.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Weak},
};

use axum::{extract::connect_info::Connected, serve::IncomingStream};
use tokio::net::TcpListener;

use crate::tls::{ClientCertificate, TlsListener};

/// The peer of a connection. Every request on the connection carries a clone.
#[derive(Clone, Debug)]
pub struct Peer {
    pub address: SocketAddr,
    /// The client certificate whose private key the peer proved.
    pub certificate: Option<Arc<ClientCertificate>>,
    /// Dropped when the connection ends.
    alive: Arc<()>,
}

impl Peer {
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            certificate: None,
            alive: Arc::new(()),
        }
    }

    /// Returns a handle that can be upgraded while the connection is open.
    pub fn alive(&self) -> Weak<()> {
        Arc::downgrade(&self.alive)
    }

    /// The client of a proxy to which this connection belongs.
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
