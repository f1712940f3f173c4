//! Prompts on the terminal that the helper runs in.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{RecvTimeoutError, channel},
    },
    time::Duration,
};

use countersign_card::Pin;
use zeroize::Zeroizing;

use super::{
    AttachQuestion, ConsentText, Deadline, OriginAnswer, PinRequest, Prompt, PromptError,
    origin_question, text::printable,
};
use crate::origin::Origin;

#[cfg(unix)]
const TERMINAL: &str = "/dev/tty";
#[cfg(windows)]
const TERMINAL: &str = "CONIN$";

/// Prompts on the terminal of this process, and reads the PIN without echo.
#[derive(Default)]
pub struct TerminalPrompt {
    /// Whether a thread still reads from the terminal, possibly for a prompt that has expired.
    reading: Arc<AtomicBool>,
}

impl TerminalPrompt {
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows `text` and reads the answer on its own thread, because a read from a terminal can't be interrupted.
    fn ask<T: Send + 'static>(
        &self,
        text: &str,
        deadline: &Deadline,
        read: impl FnOnce() -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, PromptError> {
        if self.reading.swap(true, Ordering::SeqCst) {
            let _ = show("\n(the previous prompt timed out: press Enter, then try again)\n");
            return Err(PromptError::Failed(
                "the terminal still waits for Enter after the previous prompt".to_owned(),
            ));
        }
        let (sender, answer) = channel();
        let reading = self.reading.clone();
        let text = text.to_owned();
        std::thread::spawn(move || {
            let result = show(&text).and_then(|()| read());
            reading.store(false, Ordering::SeqCst);
            let _ = sender.send(result);
        });
        loop {
            match answer.recv_timeout(Duration::from_millis(100)) {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => return Err(unusable(&error)),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(unusable(&"the reading thread ended without an answer"));
                }
                Err(RecvTimeoutError::Timeout) if deadline.is_expired() => {
                    let _ = show("\n(timed out: press Enter)\n");
                    return Err(PromptError::Unanswered);
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

impl Prompt for TerminalPrompt {
    fn allow_origin(&self, origin: &Origin, deadline: &Deadline) -> OriginAnswer {
        let text = format!(
            "\n{}\n\nAllow? [always / once / NO] ",
            origin_question(origin)
        );
        match self.ask(&text, deadline, read_line).as_deref() {
            Ok("always") => OriginAnswer::Always,
            Ok("once") => OriginAnswer::ThisTime,
            _ => OriginAnswer::No,
        }
    }

    fn allow_attaching(&self, question: &AttachQuestion, deadline: &Deadline) -> OriginAnswer {
        let storable = question.can_be_stored();
        let choice = if storable { "always / once" } else { "once" };
        let text = format!("\n{}\n\nAttach? [{choice} / NO] ", question.text().full());
        match self.ask(&text, deadline, read_line).as_deref() {
            Ok("always") if storable => OriginAnswer::Always,
            Ok("once") => OriginAnswer::ThisTime,
            _ => OriginAnswer::No,
        }
    }

    fn notice(&self, text: &str, _: &Deadline) {
        // A notice is optional, so a failing terminal is ignored.
        let _ = show(&format!("\n{}\n", printable(text)));
    }

    fn consent(&self, text: &ConsentText, deadline: &Deadline) -> Result<bool, PromptError> {
        let question = format!("\n{}\n\n{}? [yes / NO] ", text.full(), text.confirm);
        Ok(self.ask(&question, deadline, read_line)? == "yes")
    }

    fn pin(&self, request: &PinRequest, deadline: &Deadline) -> Result<Option<Pin>, PromptError> {
        let text = format!("\n{}\nPIN (leave empty to cancel): ", request.text());
        let typed = self.ask(&text, deadline, || {
            rpassword::read_password().map(Zeroizing::new)
        })?;
        Ok(Pin::new(typed).ok())
    }
}

fn unusable(why: &dyn std::fmt::Display) -> PromptError {
    tracing::error!("prompt on the terminal failed: {why}");
    PromptError::Failed(format!("the terminal cannot be used for prompts: {why}"))
}

fn show(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stderr().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn read_line() -> std::io::Result<String> {
    let mut line = String::new();
    BufReader::new(File::open(TERMINAL)?).read_line(&mut line)?;
    Ok(line.trim().to_lowercase())
}
