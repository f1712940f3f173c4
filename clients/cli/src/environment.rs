//! Environment variables that give the PKCS#11 module in other programs the same configuration as this program.

use std::ffi::OsString;

use countersign_client::{CA_FILE_ENV, CONFIG_ENV, SERVER_ENV, TOKEN_FILE_ENV};

use crate::args::Global;

/// The options for server and configuration, as environment variables.
pub fn of_options(global: &Global) -> Vec<(&'static str, OsString)> {
    let server = global.server.as_ref().map(OsString::from);
    let files = [
        (TOKEN_FILE_ENV, &global.token_file),
        (CA_FILE_ENV, &global.ca_file),
        (CONFIG_ENV, &global.config),
    ]
    .map(|(name, file)| {
        // The paths are absolute, because programs may change their working directory.
        let absolute = file.as_ref().map(|file| {
            std::path::absolute(file).map_or_else(|_| file.clone().into(), OsString::from)
        });
        (name, absolute)
    });
    std::iter::once((SERVER_ENV, server))
        .chain(files)
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

/// The assignment of a variable, in shell syntax.
pub fn assignment(name: &str, value: &OsString) -> String {
    format!("{name}={}", quoted(&value.to_string_lossy()))
}

/// Quotes a word for a shell, if that is necessary.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("a-b/c.d"), "a-b/c.d");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }
}
