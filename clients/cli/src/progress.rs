//! Progress on standard error: live on a terminal, plain lines elsewhere.

use std::{cell::RefCell, io::IsTerminal, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Smaller amounts are hashed before a bar could be read, in bytes.
const WORTH_A_BAR: u64 = 64 * 1024 * 1024;

/// Writes one line.
pub fn line(text: &str) {
    eprintln!("{text}");
}

/// Something that takes time.
pub struct Progress {
    bar: ProgressBar,
    terminal: bool,
    last: RefCell<String>,
    what: &'static str,
}

impl Progress {
    fn new(what: &'static str, length: Option<u64>, template: &str, shown: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = if shown {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(length, target);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("##-"));
        }
        Self {
            bar,
            terminal,
            last: RefCell::default(),
            what,
        }
    }

    /// Reading so many bytes.
    pub fn hashing(bytes: u64) -> Self {
        let template = "Hashing  [{bar:30}] {bytes}/{total_bytes}  {bytes_per_sec}  ETA {eta}";
        Self::new("Hashing", Some(bytes), template, bytes >= WORTH_A_BAR)
    }

    /// Waiting for people.
    pub fn waiting() -> Self {
        Self::new("Waiting", None, "{spinner} {msg}  ({elapsed})", true)
    }

    /// Signing so many files.
    pub fn signing(files: u64) -> Self {
        let template = "Signing  [{bar:30}] {pos}/{len}  {per_sec}  ETA {eta}";
        Self::new("Signing", Some(files), template, true)
    }

    /// So much more is done.
    pub fn advance(&self, by: u64) {
        self.bar.inc(by);
    }

    /// One more file is done; elsewhere than on a terminal every tenth of them is a line.
    pub fn step(&self) {
        self.bar.inc(1);
        let (done, all) = (self.bar.position(), self.bar.length().unwrap_or(0).max(1));
        if !self.terminal && done * 10 / all != (done - 1) * 10 / all {
            line(&format!("{}: {done} of {all}", self.what));
        }
    }

    /// Where things stand; elsewhere than on a terminal a line, if it is news.
    pub fn status(&self, text: &str) {
        if self.terminal {
            self.bar.set_message(text.to_owned());
            if self.last.borrow().is_empty() {
                // Not before there is something to show.
                self.bar.enable_steady_tick(Duration::from_millis(120));
            }
        } else if *self.last.borrow() != text {
            line(text);
        }
        text.clone_into(&mut self.last.borrow_mut());
    }

    /// A line that stays.
    pub fn line(&self, text: &str) {
        self.bar.suspend(|| line(text));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
