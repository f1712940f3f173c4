//! Credential helpers, which are programs that print the token.

use std::{
    io::IsTerminal,
    process::{Command, Stdio},
};

use zeroize::Zeroizing;

use crate::{error::ConfigError, token::Token, words::exit_status};

/// Runs the program and takes the first line that it prints. The program may prompt on the terminal, but it does not
/// get other standard input, because that may be the data to be signed.
pub fn run(command: &[String], named_by: &'static str) -> Result<Token, ConfigError> {
    let failed = |why: String| ConfigError::TokenCommand {
        command: command.first().cloned().unwrap_or_default(),
        named_by,
        why,
    };
    let Some((program, arguments)) = command.split_first() else {
        return Err(failed("the command is empty".into()));
    };
    let input = if std::io::stdin().is_terminal() {
        Stdio::inherit()
    } else {
        Stdio::null()
    };
    let output = Command::new(program)
        .args(arguments)
        .stdin(input)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    let printed = Zeroizing::new(output.stdout);
    if !output.status.success() {
        return Err(failed(format!(
            "it ended with {}",
            exit_status(output.status)
        )));
    }
    let line = printed.split(|byte| *byte == b'\n').next();
    let line = line.and_then(|line| std::str::from_utf8(line).ok());
    let token = Zeroizing::new(line.unwrap_or_default().trim().to_owned());
    Token::new(token).map_err(|why| ConfigError::Token {
        origin: named_by.to_owned(),
        why,
    })
}
