//! Why a question has no answer. Not the same as a no.

/// The user said neither yes nor no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    /// Nothing could be shown, or it broke off.
    #[error("{0}")]
    Failed(String),
    /// Nobody answered in time, or nobody waits any more.
    #[error("no answer in time")]
    Unanswered,
}
