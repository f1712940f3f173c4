//! The reasons why an HSM's thread does not carry out work.

use countersign_card::CardError;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{0}")]
    Unavailable(String),
    /// No lease is open, another lease is open, or the lease has expired.
    #[error("the HSM is locked")]
    NotOpen,
    #[error("the HSM is in use")]
    InUse,
    #[error(transparent)]
    Card(#[from] CardError),
}
