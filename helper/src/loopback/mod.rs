//! The WebSocket on this machine's loopback addresses: which pages may connect, and their limits.

mod admission;
mod listen;
mod peer;
mod places;
mod rate;
mod serve;
mod session;

pub(crate) use admission::{names_this_machine, single_header};
pub(crate) use listen::OwnConnections;
pub use listen::{Loopback, bind};
pub use serve::serve;
