//! Messages on standard error, for what a PKCS#11 program does not report to its user.

use std::{io::IsTerminal, sync::Mutex};

use crate::system::write_stderr;

static LAST: Mutex<String> = Mutex::new(String::new());

/// Prints a line, unless it is the same as the last one, because programs repeat calls that failed.
pub fn line(text: &str) {
    // The lock is only tried, because after a fork the thread that holds it may not exist.
    let mut last = LAST.try_lock().ok();
    if last.as_ref().is_none_or(|last| **last != text) {
        write_stderr(&format!("countersign: {text}\n"));
        if let Some(last) = &mut last {
            text.clone_into(last);
        }
    }
}

/// A line on a terminal that is replaced by the next one. Without a terminal, nothing is shown.
pub struct LiveLine {
    is_terminal: bool,
}

impl LiveLine {
    pub fn new() -> Self {
        Self {
            is_terminal: std::io::stderr().is_terminal(),
        }
    }

    pub const fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Whether the text fits into one line of a terminal, because wrapped text could not be replaced.
    pub fn fits(&self, text: &str) -> bool {
        self.is_terminal && text.chars().count() < width()
    }

    pub fn show(&self, text: &str) {
        if self.is_terminal {
            write_stderr(&format!("\r\x1b[K{text}"));
        }
    }

    pub fn clear(&self) {
        if self.is_terminal {
            write_stderr("\r\x1b[K");
        }
    }
}

impl Drop for LiveLine {
    fn drop(&mut self) {
        self.clear();
    }
}

fn width() -> usize {
    crate::system::terminal_columns().unwrap_or(80)
}
