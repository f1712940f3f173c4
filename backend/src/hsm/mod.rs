//! Signing HSMs: one thread each owns the connection; everybody else sends it messages.

mod attached;
mod connector;
mod handle;
mod job;
mod registry;
mod snapshot;
pub mod so_pin;
mod thread;
mod view;

pub use connector::Connector;
#[cfg(feature = "simulator")]
pub use connector::SimulatorConnector;
pub use handle::Hsm;
pub use job::{LeaseHandle, Responded, Response};
pub use registry::{KeyPlace, Registry};
pub use snapshot::{Device, Notice, Snapshot};
pub use view::{key_id, view};

use countersign_card::{CardError, InvalidOptions};
use countersign_protocol::id::HsmId;

use crate::store::StoreError;

/// Why an HSM did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum HsmError {
    /// No such HSM.
    #[error("there is no HSM called `{0}`")]
    NotFound(HsmId),
    /// Not connected, or refused: it was not even asked.
    #[error("{0}")]
    Unavailable(String),
    /// Nobody knows what it did.
    #[error("the HSM was stopped while it was at work")]
    Stopped,
    /// No lease.
    #[error("the HSM is locked: ask for an activation")]
    NotOpen,
    /// In another state.
    #[error("{0}")]
    Conflict(String),
    /// SO-PIN missing.
    #[error("{0}")]
    SoPin(String),
    /// Input.
    #[error("{0}")]
    Invalid(String),
    /// The card's.
    #[error("the HSM refused: {0}")]
    Card(#[from] CardError),
    /// Database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<InvalidOptions> for HsmError {
    fn from(error: InvalidOptions) -> Self {
        Self::Invalid(error.to_string())
    }
}
