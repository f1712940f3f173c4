//! What the person at the card is told and asked.

use std::{io::Write, time::Duration};

use crate::prompt::{ConsentText, Patience, Prompt, TerminalPrompt, text::printable};

/// Servers take a card for dead that does not answer within 30 s.
const ANSWER_WITHIN: Duration = Duration::from_secs(25);

/// Told what happens, in words.
pub trait Report: Send + Sync {
    /// One thing that has happened.
    fn tell(&self, line: &str);

    /// Something that the server sent was kept from the card.
    fn refused(&self, what: &str) {
        self.tell(&format!(
            "Refused: the server sent {what}. Nothing reached the card. If you trust the server and the way to it with this \
             PIN, start again with --allow-pin-commands"
        ));
    }

    /// Whether a PIN command that can be read on the way may reach the card, this time. Asked with
    /// [`super::PinCommands::Asked`] only; the server waits meanwhile.
    fn allows(&self, _what: &str) -> bool {
        false
    }
}

/// One line each on standard output, for terminals and logs alike; asks on the terminal.
#[derive(Default)]
pub struct Terminal(TerminalPrompt);

impl Report for Terminal {
    fn tell(&self, line: &str) {
        // What servers say must not control the terminal. Nobody can be told where nobody reads.
        let _ = writeln!(std::io::stdout().lock(), "{}", printable(line));
    }

    fn allows(&self, what: &str) -> bool {
        let text = ConsentText::new("The server wants to use a PIN of your card", "Pass it on")
            .fact("It sent", what)
            .warning("It is not encrypted for the card: the server knows this PIN, and so does whoever reads on the way.")
            .warning("With the PIN the server can use every key of the card until this session ends.");
        let allowed = self.0.consent(&text, &Patience::lasting(ANSWER_WITHIN));
        // The server gets the same answer whatever the reason.
        allowed.unwrap_or(false)
    }
}
