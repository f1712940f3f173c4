//! Why a prompt has no answer, which is not the same as cancelling.

/// The user neither confirmed nor cancelled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    /// The prompt could not be shown, or it failed while it was open.
    #[error("{0}")]
    Failed(String),
    /// The deadline expired, or the caller cancelled the prompt.
    #[error("no answer in time")]
    Unanswered,
}
