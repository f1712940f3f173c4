//! TLS, client certificates and proxies, over real sockets.

mod cloud;
mod curl;
mod identities;
mod listener;
mod proxies;
pub mod server;
