//! The peer of a connection: a client, or a trusted proxy in front of one.

mod forwarded;
mod peer;
mod trusted_proxies;

pub use forwarded::replace_proxy_by_client;
pub use peer::Peer;
