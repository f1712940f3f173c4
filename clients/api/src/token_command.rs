//! Credential helpers, which are programs that print the token.

use std::{
    io::{BufRead, BufReader, IsTerminal, Read},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use zeroize::Zeroizing;

use crate::{
    error::ConfigError,
    token::Token,
    words::{duration, exit_status},
};

/// How long the program may take, because a person may have to answer its prompt.
const LIMIT: Duration = Duration::from_secs(300);
/// The same if nobody knows that the program runs.
const LIMIT_IN_BACKGROUND: Duration = Duration::from_secs(1);
/// How often it is checked whether the program has ended.
const CHECK: Duration = Duration::from_millis(10);
/// Limit of a printed line, in bytes.
const MAX_LINE: u64 = 16 * 1024;

/// Runs the program and takes the first line that it prints. The program may prompt on the terminal, but it does not
/// get other standard input, because that may be the data to be signed. In the background it may neither prompt nor take
/// long.
pub fn run(
    command: &[String],
    named_by: &'static str,
    in_background: bool,
) -> Result<Token, ConfigError> {
    let failed = |why: String| ConfigError::TokenCommand {
        command: command.first().cloned().unwrap_or_default(),
        named_by,
        why,
    };
    let Some((program, arguments)) = command.split_first() else {
        return Err(failed("the command is empty".into()));
    };
    let (limit, errors) = if in_background {
        (LIMIT_IN_BACKGROUND, Stdio::null())
    } else {
        (LIMIT, Stdio::inherit())
    };
    let input = if std::io::stdin().is_terminal() && !in_background {
        Stdio::inherit()
    } else {
        Stdio::null()
    };
    let until = Instant::now() + limit;
    let io_failed = |error: std::io::Error| failed(error.to_string());
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(errors)
        .spawn()
        .map_err(io_failed)?;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(io_failed)? {
            break status;
        }
        if Instant::now() >= until {
            child.kill().map_err(io_failed)?;
            child.wait().map_err(io_failed)?;
            return Err(failed(format!("it did not end within {}", duration(limit))));
        }
        thread::sleep(CHECK);
    };
    if !status.success() {
        return Err(failed(format!("it ended with {}", exit_status(status))));
    }
    let mut printed = Zeroizing::new(Vec::new());
    if let Some(output) = child.stdout.take() {
        // Only one line is read, because a program that runs on in the background may keep the pipe open.
        let mut output = BufReader::new(output.take(MAX_LINE));
        output.read_until(b'\n', &mut printed).map_err(io_failed)?;
    }
    let line = printed.split(|byte| *byte == b'\n').next();
    let line = line.and_then(|line| std::str::from_utf8(line).ok());
    let token = Zeroizing::new(line.unwrap_or_default().trim().to_owned());
    Token::new(token).map_err(|why| ConfigError::Token {
        origin: named_by.to_owned(),
        why,
    })
}
