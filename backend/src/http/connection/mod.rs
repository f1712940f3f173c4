//! The other end of a connection.

mod forwarded;
mod peer;
mod trusted_proxies;

pub use forwarded::replace_proxy_by_client;
pub use peer::Peer;
