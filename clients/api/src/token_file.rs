use std::{fs::File, io::Read, path::Path};

use zeroize::Zeroizing;

use crate::{error::ConfigError, token::Token};

/// Limit for reading a token file, in bytes.
const MAX_FILE_LENGTH: u64 = 16 * 1024;

/// Reads a token file, and refuses one that other users can access.
pub fn read(file: &Path, named_by: &'static str) -> Result<Token, ConfigError> {
    let unreadable = |error| ConfigError::Unreadable {
        file: file.to_owned(),
        named_by,
        error,
    };
    let opened = File::open(file).map_err(unreadable)?;
    // A directory can be opened too, and the permissions below would mean something else for it. A pipe is fine.
    if opened.metadata().map_err(unreadable)?.is_dir() {
        return Err(unreadable(std::io::ErrorKind::IsADirectory.into()));
    }
    // The permissions of the opened file are checked, not those of the path, so that it cannot be replaced in between.
    if is_accessible_to_others(&opened).map_err(unreadable)? {
        return Err(ConfigError::TokenFileAccessible {
            file: file.to_owned(),
        });
    }
    let mut text = Zeroizing::new(String::with_capacity(1024));
    opened
        .take(MAX_FILE_LENGTH)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    Token::new(text).map_err(|why| ConfigError::Token {
        origin: file.display().to_string(),
        why,
    })
}

#[cfg(unix)]
pub(crate) fn is_accessible_to_others(file: &File) -> std::io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(file.metadata()?.permissions().mode() & 0o077 != 0)
}

/// On other systems, the access control lists of the user's profile protect the file.
#[cfg(not(unix))]
pub(crate) fn is_accessible_to_others(_: &File) -> std::io::Result<bool> {
    Ok(false)
}
