//! Standard error: what the program around us will not tell its user.

use std::{io::IsTerminal, sync::Mutex};

use crate::system::write_stderr;

static LAST: Mutex<String> = Mutex::new(String::new());

/// One line for people and build logs; the same line twice in a row is one. Programs repeat what failed.
pub fn line(text: &str) {
    // Never wait here: after a fork nobody may be left to unlock.
    let mut last = LAST.try_lock().ok();
    if last.as_ref().is_none_or(|last| **last != text) {
        write_stderr(&format!("countersign: {text}\n"));
        if let Some(last) = &mut last {
            text.clone_into(last);
        }
    }
}

/// A line that is replaced by the next one, on a terminal only.
pub struct Live(bool);

impl Live {
    /// Finds out whether there is a terminal.
    pub fn new() -> Self {
        Self(std::io::stderr().is_terminal())
    }

    /// Whether there is a terminal.
    pub const fn is_terminal(&self) -> bool {
        self.0
    }

    /// Whether the text can be such a line: one that wraps could not be replaced.
    pub fn fits(&self, text: &str) -> bool {
        self.0 && text.chars().count() < width()
    }

    /// Replaces the line.
    pub fn show(&self, text: &str) {
        if self.0 {
            write_stderr(&format!("\r\x1b[K{text}"));
        }
    }

    /// Removes the line.
    pub fn clear(&self) {
        if self.0 {
            write_stderr("\r\x1b[K");
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Columns of the terminal.
fn width() -> usize {
    crate::system::terminal_columns().unwrap_or(80)
}
