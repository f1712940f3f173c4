//! Signing HSMs. One thread owns the connection to each HSM; all other code sends work to that thread.

mod attached;
mod connector;
mod error;
mod handle;
mod lease_handle;
mod not_usable;
mod quarantines;
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
pub use quarantines::Quarantines;
pub use refusal::Refusal;
pub use registry::{Hsms, KeyPlace};
pub use response::{Responded, Response};
pub use snapshot::{Device, Notice, Snapshot};
