//! Progress on standard error: animated on a terminal, and plain lines otherwise.

use std::{
    cell::{Cell, RefCell},
    io::IsTerminal,
    time::{Duration, Instant},
};

use countersign_client::words::duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Hashing fewer bytes than this shows no bar, because it is faster than anyone could read.
const MIN_BYTES_FOR_BAR: u64 = 64 * 1024 * 1024;

/// Interval of lines without news in a log, because build systems stop jobs without output.
const HEARTBEAT: Duration = Duration::from_secs(60);

pub fn line(text: &str) {
    eprintln!("{text}");
}

/// Shows the progress of an operation until it is dropped.
pub struct Progress {
    bar: ProgressBar,
    is_terminal: bool,
    last_status: RefCell<String>,
    started: Instant,
    last_line_at: Cell<Instant>,
    hint: RefCell<String>,
    what: &'static str,
}

impl Progress {
    fn new(what: &'static str, length: Option<u64>, template: &str, shown: bool) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
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
            is_terminal,
            last_status: RefCell::default(),
            started: Instant::now(),
            last_line_at: Cell::new(Instant::now()),
            hint: RefCell::default(),
            what,
        }
    }

    /// Hashing the given number of bytes.
    pub fn hashing(bytes: u64) -> Self {
        let template = "Hashing  [{bar:30}] {bytes}/{total_bytes}  {bytes_per_sec}  ETA {eta}";
        Self::new("Hashing", Some(bytes), template, bytes >= MIN_BYTES_FOR_BAR)
    }

    /// Waiting for custodians.
    pub fn waiting() -> Self {
        Self::new("Waiting", None, "{spinner} {msg}  ({elapsed})", true)
    }

    /// Signing the given number of files.
    pub fn signing(files: u64) -> Self {
        let template = "Signing  [{bar:30}] {pos}/{len}  {per_sec}  ETA {eta}";
        Self::new("Signing", Some(files), template, true)
    }

    pub fn advance(&self, by: u64) {
        self.bar.inc(by);
    }

    /// Counts one more file as done. Without a terminal, a line is printed after each tenth of the files.
    pub fn step(&self) {
        self.bar.inc(1);
        let (done, all) = (self.bar.position(), self.bar.length().unwrap_or(0).max(1));
        if !self.is_terminal && done * 10 / all != (done - 1) * 10 / all {
            line(&format!("{}: {done} of {all}", self.what));
        }
    }

    /// Tells what the user can do during the operation: once in a log, and always on a terminal.
    pub fn hint(&self, text: &str) {
        if !self.is_terminal {
            line(text);
        }
        text.clone_into(&mut self.hint.borrow_mut());
    }

    /// Shows the status of a wait with its remaining time. In a log, a line is printed if the status has changed, and once
    /// a minute otherwise.
    pub fn waiting_status(&self, status: &str, time_left: &str) {
        if self.is_terminal {
            let hint = self.hint.borrow();
            self.status(&format!("{status}; {time_left}; {hint}"));
            return;
        }
        if *self.last_status.borrow() != status {
            self.status(status);
            self.last_line_at.set(Instant::now());
        } else if let Some(text) = heartbeat(
            self.last_line_at.get().elapsed(),
            self.started.elapsed(),
            status,
            time_left,
        ) {
            line(&text);
            self.last_line_at.set(Instant::now());
        }
    }

    /// Shows the status. Without a terminal, a line is printed if the status has changed.
    pub fn status(&self, text: &str) {
        if self.is_terminal {
            self.bar.set_message(text.to_owned());
            if self.last_status.borrow().is_empty() {
                // The spinner starts together with its first text.
                self.bar.enable_steady_tick(Duration::from_millis(120));
            }
        } else if *self.last_status.borrow() != text {
            line(text);
        }
        text.clone_into(&mut self.last_status.borrow_mut());
    }

    /// Prints a line above the animation.
    pub fn line(&self, text: &str) {
        self.bar.suspend(|| line(text));
    }
}

/// The line of a log that says that a wait goes on, if one is due.
fn heartbeat(
    since_last: Duration,
    elapsed: Duration,
    status: &str,
    time_left: &str,
) -> Option<String> {
    let text = || {
        format!(
            "Still waiting after {}, {time_left}: {status}",
            duration(elapsed)
        )
    };
    (since_last >= HEARTBEAT).then(text)
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_without_news_gets_a_line_each_minute() {
        let after = |seconds| {
            let elapsed = Duration::from_secs(180);
            heartbeat(
                Duration::from_secs(seconds),
                elapsed,
                "1 of 2 approvals",
                "2 h left",
            )
        };
        assert_eq!(after(59), None);
        let line = after(60).unwrap();
        for part in ["3 min", "2 h left", "1 of 2 approvals"] {
            assert!(line.contains(part), "{line}");
        }
    }
}
