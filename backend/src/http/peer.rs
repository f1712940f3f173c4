//! Who is at the other end of a connection.

use std::{
    net::SocketAddr,
    sync::{Arc, Weak},
};

use axum::{extract::connect_info::Connected, serve::IncomingStream};
use tokio::net::TcpListener;

/// A connection; every request on it carries a clone.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// Lives as long as the connection.
    alive: Arc<()>,
}

impl Peer {
    /// A connection that was just accepted.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            alive: Arc::new(()),
        }
    }

    /// Tells whether the connection still lives.
    pub fn alive(&self) -> Weak<()> {
        Arc::downgrade(&self.alive)
    }
}

impl Connected<IncomingStream<'_, TcpListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        Self::new(*stream.remote_addr())
    }
}
