//! Prompts that the helper shows to the user, one at a time.

mod assuan;
mod attach;
mod consent;
mod deadline;
mod error;
mod guard;
mod pages;
mod pinentry;
#[cfg(any(test, feature = "simulator"))]
pub mod scripted;
mod terminal;
pub mod text;

use countersign_card::Pin;
use zeroize::Zeroizing;

use crate::origin::Origin;

pub use attach::AttachQuestion;
pub use consent::ConsentText;
pub(crate) use deadline::CancelOnDrop;
pub use deadline::Deadline;
pub use error::PromptError;
pub use guard::{PromptGuard, Prompts};
pub use pinentry::{PinentryPrompt, find_pinentry};
pub use terminal::TerminalPrompt;

/// The user's decision about a page's permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginAnswer {
    /// Allowed, and stored for the future.
    Always,
    /// Allowed, but not stored.
    ThisTime,
    /// Denied. A window that was closed or timed out counts as denied too.
    No,
}

/// What a PIN is entered for.
#[derive(Clone, Debug)]
pub struct PinPurpose {
    /// The verb on the button of the PIN prompt.
    pub action: &'static str,
    /// One line that describes the act.
    pub text: String,
}

/// The content of a PIN prompt.
#[derive(Clone, Debug)]
pub struct PinRequest {
    pub purpose: PinPurpose,
    pub card_label: String,
    pub card_serial: String,
    /// Tries left, if the card reports them.
    pub tries: Option<u8>,
}

impl PinRequest {
    /// The title of the PIN prompt.
    pub fn title(&self) -> String {
        format!(
            "Countersign: PIN for card {}",
            text::printable(&self.card_label)
        )
    }

    /// The text of the PIN prompt.
    pub fn text(&self) -> String {
        let tries = match self.tries {
            Some(1) => "1 try left: a wrong PIN blocks the card".to_owned(),
            Some(tries) => format!("{} left", text::count(tries, "try")),
            None => "the card doesn't report how many tries are left".to_owned(),
        };
        format!(
            "{}\nCard: \"{}\", serial {}\nPIN: {tries}",
            text::printable(&self.purpose.text),
            text::printable(&self.card_label),
            text::printable(&self.card_serial)
        )
    }
}

/// Prompts the user. Every method blocks until the user answers or the [`Deadline`] expires.
pub trait Prompt: Send + Sync {
    /// Asks whether this page may use the helper. No answer means no.
    fn allow_origin(&self, origin: &Origin, deadline: &Deadline) -> OriginAnswer;
    /// Asks whether a card may be attached at a page's request. No answer means no.
    fn allow_attaching(&self, question: &AttachQuestion, deadline: &Deadline) -> OriginAnswer;
    /// Asks for consent. Returns `false` if the user cancels.
    ///
    /// # Errors
    /// The user neither consented nor cancelled.
    fn consent(&self, text: &ConsentText, deadline: &Deadline) -> Result<bool, PromptError>;
    /// Asks for the PIN. Returns `None` if the user closes the prompt or enters something that can't be a PIN.
    ///
    /// # Errors
    /// The user neither entered a PIN nor cancelled.
    fn pin(&self, request: &PinRequest, deadline: &Deadline) -> Result<Option<Pin>, PromptError>;
    /// Shows something that the user should know. Nothing depends on whether it is read.
    fn notice(&self, text: &str, deadline: &Deadline);
}

/// The typed text, if it can be a PIN at all.
fn pin_from(typed: &[u8]) -> Option<Pin> {
    let text = std::str::from_utf8(typed).ok()?;
    Pin::new(Zeroizing::new(text.to_owned())).ok()
}

/// The question about an origin that the user has not allowed yet.
pub(crate) fn origin_question(origin: &Origin) -> String {
    format!(
        "{origin} wants to use your card helper.\n\n\
         It could list your cards and keys and request approvals. \
         Nothing is signed without your consent and PIN.\n\n\
         Allow it only if this is your signing server's address."
    )
}
