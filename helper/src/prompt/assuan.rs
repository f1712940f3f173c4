//! The part of the Assuan line protocol that pinentry programs use.
//!
//! The crate `pinentry` is not used because it panics on texts longer than 1000 bytes, can't be interrupted, and sets no
//! title for confirmations.

use std::{
    io::{Read, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::{Duration, Instant},
};

use zeroize::Zeroizing;

use super::Deadline;

/// The longest line without its line end (libassuan's limit is 1002 bytes with CR LF).
const MAX_LINE: usize = 1000;
/// How often a waiting command checks its deadline.
const TICK: Duration = Duration::from_millis(50);
/// How long a pinentry may take to exit after BYE.
const EXIT_TIMEOUT: Duration = Duration::from_millis(500);

/// The error codes of libgpg-error that mean that the user cancelled.
const CANCELLED: [u32; 3] = [99, 114, 198];

/// A running pinentry.
pub(super) struct Assuan {
    child: Child,
    input: ChildStdin,
    lines: Receiver<Secret>,
}

/// Bytes that may be a PIN.
type Secret = Zeroizing<Vec<u8>>;

/// Why a command failed. Messages contain only numbers from the pinentry, because its output can contain the PIN.
#[derive(Debug, thiserror::Error)]
pub(super) enum AssuanError {
    /// The program cannot be started or written to.
    #[error("pinentry: {0}")]
    Io(#[from] std::io::Error),
    /// The program ended, or its output is not Assuan.
    #[error("pinentry ended, or its output is not Assuan")]
    Protocol,
    /// The user cancelled.
    #[error("cancelled")]
    Cancelled,
    /// The program reports an error.
    #[error("pinentry reports error {0}; it may have no display or terminal")]
    Refused(u32),
    /// The deadline has expired.
    #[error("no answer in time")]
    TimedOut,
    /// A text does not fit into one line.
    #[error("text too long for pinentry")]
    TooLong,
}

impl Assuan {
    /// Starts the program and waits for its greeting.
    pub(super) fn start(mut command: Command, deadline: &Deadline) -> Result<Self, AssuanError> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(AssuanError::Protocol);
        };
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let _ = forward_lines(output, |line| sender.send(line).is_ok());
        });
        let mut started = Self {
            child,
            input,
            lines,
        };
        started.reply(deadline)?;
        Ok(started)
    }

    /// Sends a command, waits for its end, and returns its decoded data lines.
    pub(super) fn command(
        &mut self,
        verb: &str,
        argument: Option<&str>,
        deadline: &Deadline,
    ) -> Result<Secret, AssuanError> {
        let mut line = encode(verb, argument);
        if line.len() > MAX_LINE {
            return Err(AssuanError::TooLong);
        }
        line.push('\n');
        self.input.write_all(line.as_bytes())?;
        self.input.flush()?;
        self.reply(deadline)
    }

    fn reply(&mut self, deadline: &Deadline) -> Result<Secret, AssuanError> {
        let mut data = Zeroizing::new(Vec::with_capacity(MAX_LINE));
        loop {
            let line = self.line(deadline)?;
            match split_word(&line) {
                (b"OK", _) => return Ok(data),
                (b"D", encoded) => decode_into(&mut data, encoded),
                (b"ERR", rest) => return Err(failure(rest)),
                (b"S", _) => {}
                (word, _) if word.first() == Some(&b'#') => {}
                _ => return Err(AssuanError::Protocol),
            }
        }
    }

    fn line(&self, deadline: &Deadline) -> Result<Secret, AssuanError> {
        loop {
            if deadline.is_expired() {
                return Err(AssuanError::TimedOut);
            }
            match self.lines.recv_timeout(TICK) {
                Ok(line) => return Ok(line),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(AssuanError::Protocol),
            }
        }
    }
}

impl Drop for Assuan {
    /// Asks the program to exit, then kills it, so that no orphaned window stays open.
    fn drop(&mut self) {
        let _ = self.input.write_all(b"BYE\n");
        let until = Instant::now() + EXIT_TIMEOUT;
        while Instant::now() < until {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            std::thread::sleep(TICK / 5);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads lines without a buffer that could keep a copy of the PIN.
fn forward_lines(mut from: ChildStdout, mut to: impl FnMut(Secret) -> bool) -> std::io::Result<()> {
    let mut chunk = Zeroizing::new([0; 256]);
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_LINE));
    loop {
        let read = from.read(chunk.as_mut_slice())?;
        if read == 0 {
            return Ok(());
        }
        for &byte in chunk.iter().take(read) {
            if byte == b'\n' {
                let mut whole = Zeroizing::new(Vec::with_capacity(MAX_LINE));
                std::mem::swap(&mut whole, &mut line);
                if !to(whole) {
                    return Ok(());
                }
            } else if line.len() < MAX_LINE {
                // The line stays within its capacity, so that no reallocation leaves a copy of the PIN.
                line.push(byte);
            }
        }
    }
}

fn encode(verb: &str, argument: Option<&str>) -> String {
    let mut line = verb.to_owned();
    let Some(argument) = argument else {
        return line;
    };
    line.push(' ');
    for c in argument.chars() {
        match c {
            '%' => line.push_str("%25"),
            '\n' => line.push_str("%0A"),
            '\r' => line.push_str("%0D"),
            '\\' => line.push_str("%5C"),
            c => line.push(c),
        }
    }
    line
}

fn decode_into(out: &mut Secret, encoded: &[u8]) {
    let mut rest = encoded;
    while let Some((&byte, tail)) = rest.split_first() {
        let escaped = match (byte, tail) {
            (b'%', [high, low, after @ ..]) => hex_byte(*high, *low).map(|byte| (byte, after)),
            _ => None,
        };
        let (byte, after) = escaped.unwrap_or((byte, tail));
        if out.len() < MAX_LINE {
            out.push(byte);
        }
        rest = after;
    }
}

fn hex_byte(high: u8, low: u8) -> Option<u8> {
    let digit = |c: u8| char::from(c).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

fn split_word(line: &[u8]) -> (&[u8], &[u8]) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match line.iter().position(|&b| b == b' ') {
        Some(at) => (&line[..at], &line[at + 1..]),
        None => (line, &[]),
    }
}

fn failure(rest: &[u8]) -> AssuanError {
    let (code, _) = split_word(rest);
    let code: u32 = std::str::from_utf8(code)
        .ok()
        .and_then(|code| code.parse().ok())
        .unwrap_or(0);
    // The upper half identifies the program that reports the error.
    match code & 0xFFFF {
        code if CANCELLED.contains(&code) => AssuanError::Cancelled,
        62 => AssuanError::TimedOut,
        code => AssuanError::Refused(code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_stay_on_one_line() {
        assert_eq!(
            encode("SETDESC", Some("50 %\r\nback\\")),
            "SETDESC 50 %25%0D%0Aback%5C"
        );
        assert_eq!(encode("GETPIN", None), "GETPIN");
    }

    #[test]
    fn data_is_decoded() {
        let mut out = Zeroizing::new(Vec::new());
        decode_into(&mut out, b"12%2534%0A%zz%");
        assert_eq!(out.as_slice(), b"12%34\n%zz%");
    }

    #[test]
    fn error_codes_are_read_without_their_source() {
        assert!(matches!(
            failure(b"83886179 Operation cancelled"),
            AssuanError::Cancelled
        ));
        assert!(matches!(
            failure(b"83886194 Not confirmed"),
            AssuanError::Cancelled
        ));
        assert!(matches!(
            failure(b"83886142 Timeout"),
            AssuanError::TimedOut
        ));
        assert!(matches!(
            failure(b"83886355 Unknown"),
            AssuanError::Refused(275)
        ));
        assert!(matches!(failure(b"x"), AssuanError::Refused(0)));
    }
}
