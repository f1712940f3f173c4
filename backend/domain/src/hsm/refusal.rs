//! Why the HSM's thread did not carry out a piece of work.

use countersign_card::CardError;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{0}")]
    Unavailable(String),
    /// No lease is open, another one is, or it has expired.
    #[error("the HSM is locked")]
    NotOpen,
    #[error("the HSM is in use")]
    InUse,
    #[error(transparent)]
    Card(#[from] CardError),
}
