//! TLS, client certificates, proxies: over real sockets.

mod cloud;
mod curl;
mod door;
mod identities;
mod proxies;
pub mod stage;
