//! Questions to the user, asked by the helper itself, one at a time.

mod assuan;
mod attach;
mod consent;
mod desk;
mod error;
mod pages;
mod patience;
mod pinentry;
#[cfg(any(test, feature = "simulator"))]
pub mod played;
mod terminal;
pub mod text;

use countersign_card::Pin;
use zeroize::Zeroizing;

use crate::origin::Origin;

pub use attach::AttachQuestion;
pub use consent::ConsentText;
pub use desk::{PromptDesk, Seat};
pub use error::PromptError;
pub(crate) use patience::CancelOnDrop;
pub use patience::Patience;
pub use pinentry::{PinentryPrompt, find_pinentry};
pub use terminal::TerminalPrompt;

/// May a page talk to this helper?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginAnswer {
    /// Yes, and keep it.
    Always,
    /// Yes, but forget it.
    ThisTime,
    /// No; also the answer to a closed or timed-out window.
    No,
}

/// Why a PIN is needed, and for which card.
#[derive(Clone, Debug)]
pub struct PinRequest {
    /// What the PIN is for, in one line.
    pub purpose: String,
    /// Which card.
    pub card: String,
    /// Tries left, if the card tells.
    pub tries: Option<u8>,
}

impl PinRequest {
    /// The text of the PIN prompt.
    pub fn text(&self) -> String {
        let tries = match self.tries {
            Some(1) => "1 try left: a wrong PIN blocks the card".to_owned(),
            Some(tries) => format!("{} left", text::count(tries, "try")),
            None => "the card doesn't tell how many tries are left".to_owned(),
        };
        format!(
            "{}\nCard: {}\nPIN: {tries}",
            text::printable(&self.purpose),
            text::printable(&self.card)
        )
    }
}

/// A way to ask the user. Every method blocks, no longer than [`Patience`] lasts.
pub trait Prompt: Send + Sync {
    /// May this page talk to the helper? Without an answer: no.
    fn allow_origin(&self, origin: &Origin, patience: &Patience) -> OriginAnswer;
    /// May a card be attached because a page wants it? Without an answer: no.
    fn allow_attaching(&self, question: &AttachQuestion, patience: &Patience) -> OriginAnswer;
    /// Does the user agree?
    ///
    /// # Errors
    /// [`PromptError`]: the user said neither yes nor no.
    fn consent(&self, text: &ConsentText, patience: &Patience) -> Result<bool, PromptError>;
    /// The PIN; `None`: the user closed the prompt, or typed what can't be one.
    ///
    /// # Errors
    /// [`PromptError`]: the user did neither.
    fn pin(&self, request: &PinRequest, patience: &Patience) -> Result<Option<Pin>, PromptError>;
    /// Something that the user should know; nothing depends on whether it is read.
    fn notice(&self, text: &str, patience: &Patience);
}

/// What was typed, if it can be a PIN at all.
fn pin_from(typed: &[u8]) -> Option<Pin> {
    let text = std::str::from_utf8(typed).ok()?;
    Pin::new(Zeroizing::new(text.to_owned())).ok()
}

/// What is asked about a new origin.
pub(crate) fn origin_question(origin: &Origin) -> String {
    format!(
        "The page {origin} wants to talk to your card helper.\n\n\
         It would see the names and keys of your cards and could ask for approvals. \
         Nothing is signed without your consent and PIN.\n\n\
         Allow it only if this is the address of your signing server."
    )
}
