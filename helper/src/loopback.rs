//! The WebSocket on this machine's loopback addresses: who may connect, and how much.

mod admission;
mod listen;
mod peer;
mod rate;
mod serve;
mod session;

pub(crate) use admission::{is_here, only};
pub(crate) use listen::Guarded;
pub use listen::{Loopback, bind};
pub use serve::serve;
