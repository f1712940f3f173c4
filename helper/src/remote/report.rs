//! What the user learns about a session, and is asked during it.

use std::{io::Write, time::Duration};

use super::filter::PinCommand;
use crate::prompt::{ConsentText, Deadline, Prompt, TerminalPrompt, text::printable};

/// Servers give up on a card that does not answer within 30 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(25);

/// Receives the events of a session.
pub trait Report: Send + Sync {
    /// Reports one event in one line.
    fn status(&self, line: &str);

    /// Reports a command of the server that did not reach the card.
    fn refused(&self, what: &str) {
        self.status(&format!(
            "Refused {what} from the server: it did not reach the card. If you trust the server with this card's PINs, start again \
             with --allow-encrypted-pin-commands, or with --allow-pin-commands if the command is not encrypted"
        ));
    }

    /// Whether a PIN command may reach the card this time. Called only with [`super::PinCommands::Ask`], and the server waits for
    /// the answer.
    fn allows_pin_command(&self, _command: PinCommand) -> bool {
        false
    }
}

/// Prints one line for each event to standard output, and asks on the terminal.
#[derive(Default)]
pub struct Terminal(TerminalPrompt);

impl Report for Terminal {
    fn status(&self, line: &str) {
        // A server's text must not control the terminal. A closed output is ignored.
        let _ = writeln!(std::io::stdout().lock(), "{}", printable(line));
    }

    fn allows_pin_command(&self, command: PinCommand) -> bool {
        let text = ConsentText::new("The server sent a PIN command to your card", "Forward")
            .fact("Command", command.what)
            .warning("A wrong PIN uses up one of the card's few tries, and INITIALIZE DEVICE erases the card.");
        let text = if command.encrypted {
            text
        } else {
            text.warning(
                "The PIN is not encrypted: the server and anyone on the network path can read it.",
            )
        };
        let text = text.warning(
            "With the PIN, the server can use every key of the card until this session ends.",
        );
        let allowed = self.0.consent(&text, &Deadline::after(ANSWER_TIMEOUT));
        // A failed prompt counts as no, so that the server gets the same answer for every reason.
        allowed.unwrap_or(false)
    }
}
