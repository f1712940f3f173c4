//! The peer of a connection.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Weak},
};

use super::places::Place;
use crate::{network::Network, tls::ClientCertificate};

/// The peer of a connection. Every request on the connection carries a clone.
#[derive(Clone)]
pub struct Peer {
    pub address: SocketAddr,
    /// The client certificate whose private key the peer proved.
    pub certificate: Option<Arc<ClientCertificate>>,
    /// Dropped when the connection ends.
    alive: Arc<()>,
    /// The place of the connection, if the number of connections is limited.
    place: Option<Arc<Place>>,
}

impl Peer {
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            certificate: None,
            alive: Arc::new(()),
            place: None,
        }
    }

    /// The peer on a connection with this place.
    #[must_use]
    pub fn at(self, place: Place) -> Self {
        Self {
            place: Some(Arc::new(place)),
            ..self
        }
    }

    /// The peer that proved the private key of this certificate.
    #[must_use]
    pub fn with_certificate(self, certificate: Option<Arc<ClientCertificate>>) -> Self {
        Self {
            certificate,
            ..self
        }
    }

    /// The network to which limits for strangers apply.
    pub fn network(&self) -> Network {
        self.address.ip().into()
    }

    /// Keeps the connection from giving way to others, because its caller has proven who they are.
    pub fn keep_connection(&self) {
        if let Some(place) = &self.place {
            place.keep();
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
            place: self.place.clone(),
        }
    }
}
