//! What the person at the card is told.

use std::io::Write;

use crate::prompt::text::visible;

/// Told what happens, in words.
pub trait Report: Send + Sync {
    /// One thing that has happened.
    fn tell(&self, line: &str);
}

/// One line each on standard output, for terminals and logs alike.
pub struct Terminal;

impl Report for Terminal {
    fn tell(&self, line: &str) {
        // What servers say must not control the terminal. Nobody can be told where nobody reads.
        let _ = writeln!(std::io::stdout().lock(), "{}", visible(line));
    }
}
