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
    AttachQuestion, ConsentText, OriginAnswer, Patience, PinRequest, Prompt, PromptError,
    origin_question, text::printable,
};
use crate::origin::Origin;

#[cfg(unix)]
const TERMINAL: &str = "/dev/tty";
#[cfg(windows)]
const TERMINAL: &str = "CONIN$";

/// Asks on this terminal; the PIN without echo.
#[derive(Default)]
pub struct TerminalPrompt {
    /// A read that nobody waits for any more still has the terminal.
    reading: Arc<AtomicBool>,
}

impl TerminalPrompt {
    /// Prompts on the terminal of this process.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows `text` and reads an answer in a thread of its own, since a terminal can't be told to stop.
    fn ask<T: Send + 'static>(
        &self,
        text: &str,
        patience: &Patience,
        read: impl FnOnce() -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, PromptError> {
        if self.reading.swap(true, Ordering::SeqCst) {
            let _ = show("\n(an earlier question was given up: press Enter, then ask again)\n");
            return Err(PromptError::Failed(
                "its terminal still waits for Enter after an earlier question".to_owned(),
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
                    return Err(unusable(&"the reader ended without an answer"));
                }
                Err(RecvTimeoutError::Timeout) if patience.is_over() => {
                    let _ = show("\n(given up: no answer in time. Press Enter)\n");
                    return Err(PromptError::Unanswered);
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

impl Prompt for TerminalPrompt {
    fn allow_origin(&self, origin: &Origin, patience: &Patience) -> OriginAnswer {
        let text = format!(
            "\n{}\n\nAllow? [always / once / NO] ",
            origin_question(origin)
        );
        match self.ask(&text, patience, read_line).as_deref() {
            Ok("always") => OriginAnswer::Always,
            Ok("once") => OriginAnswer::ThisTime,
            _ => OriginAnswer::No,
        }
    }

    fn allow_attaching(&self, question: &AttachQuestion, patience: &Patience) -> OriginAnswer {
        let keep = question.may_be_kept();
        let choice = if keep { "always / once" } else { "once" };
        let text = format!("\n{}\n\nAttach? [{choice} / NO] ", question.text().full());
        match self.ask(&text, patience, read_line).as_deref() {
            Ok("always") if keep => OriginAnswer::Always,
            Ok("once") => OriginAnswer::ThisTime,
            _ => OriginAnswer::No,
        }
    }

    fn notice(&self, text: &str, _: &Patience) {
        // Nobody can be told where nobody reads.
        let _ = show(&format!("\n{}\n", printable(text)));
    }

    fn consent(&self, text: &ConsentText, patience: &Patience) -> Result<bool, PromptError> {
        let question = format!("\n{}\n\n{}? [yes / NO] ", text.full(), text.agree);
        Ok(self.ask(&question, patience, read_line)? == "yes")
    }

    fn pin(&self, request: &PinRequest, patience: &Patience) -> Result<Option<Pin>, PromptError> {
        let text = format!("\n{}\nPIN (empty: cancel): ", request.text());
        let typed = self.ask(&text, patience, || {
            rpassword::read_password().map(Zeroizing::new)
        })?;
        Ok(Pin::new(typed).ok())
    }
}

fn unusable(why: &dyn std::fmt::Display) -> PromptError {
    tracing::error!("the terminal can't be used for prompts: {why}");
    PromptError::Failed(format!("the terminal can't be used for prompts: {why}"))
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
