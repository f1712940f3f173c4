//! Files with a token.

use std::{fs::File, io::Read, path::Path};

use zeroize::Zeroizing;

use crate::{error::ConfigError, token::Token};

/// Reads at most this much; more is no token file.
const LONGEST: u64 = 16 * 1024;

/// Reads a token file, unless others can read it too.
pub fn read(file: &Path, named_by: &'static str) -> Result<Token, ConfigError> {
    let unreadable = |error| ConfigError::Unreadable {
        file: file.to_owned(),
        named_by,
        error,
    };
    let opened = File::open(file).map_err(unreadable)?;
    // Directories open, too, and their permissions are another matter. A pipe is fine.
    if opened.metadata().map_err(unreadable)?.is_dir() {
        return Err(unreadable(std::io::ErrorKind::IsADirectory.into()));
    }
    // The opened file is asked, not the path: nobody can exchange it in between.
    if open_to_others(&opened).map_err(unreadable)? {
        return Err(ConfigError::TokenFileOpen {
            file: file.to_owned(),
        });
    }
    let mut text = Zeroizing::new(String::with_capacity(1024));
    opened
        .take(LONGEST)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    Token::new(text).map_err(|why| ConfigError::Token {
        origin: file.display().to_string(),
        why,
    })
}

#[cfg(unix)]
pub(crate) fn open_to_others(file: &File) -> std::io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(file.metadata()?.permissions().mode() & 0o077 != 0)
}

/// Elsewhere, access control lists of the user's profile keep others out.
#[cfg(not(unix))]
pub(crate) fn open_to_others(_: &File) -> std::io::Result<bool> {
    Ok(false)
}
