//! Connections, and their peers: a client, or a trusted proxy in front of one.

mod forwarded;
mod peer;
mod places;
mod serve;
mod trusted_proxies;

pub use forwarded::replace_proxy_by_client;
pub use peer::Peer;
pub use places::PlaceLimits;
pub use serve::{ConnectionLimits, Connections};
