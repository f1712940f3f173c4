//! Signing HSMs: one thread owns the connection to each of them, and every other part of the server sends it work.

mod attached;
mod connector;
mod error;
mod handle;
mod lease_handle;
mod refusal;
mod registry;
mod response;
mod snapshot;
pub mod so_pin;
mod thread;

pub use connector::Connector;
pub use error::HsmError;
pub use handle::{Hsm, NewHsm};
pub use lease_handle::LeaseHandle;
pub use refusal::Refusal;
pub use registry::{Hsms, KeyPlace};
pub use response::{Responded, Response};
pub use snapshot::{Device, Notice, Snapshot};
