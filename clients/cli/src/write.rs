//! Atomic writing of files: a file is written completely or not at all.

use std::{
    io::{self, Write},
    path::Path,
};

use tempfile::{Builder, NamedTempFile};

/// Creates a temporary file next to `path`. This fails if `path` cannot be written either.
pub fn prepare(path: &Path) -> io::Result<NamedTempFile> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = Builder::new();
    builder.prefix(".countersign-");
    // Signatures are public, so they get the permissions of any new file. The umask applies.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    // Only the kind of the error is kept, because its text names the temporary file, which would confuse users.
    let file = builder.tempfile_in(directory);
    file.map_err(|error| error.kind().into())
}

/// Checks whether `path` can be written, without writing it.
pub fn check(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    prepare(path).map(drop)
}

/// Writes `content`. An existing file is replaced only with `replace`.
pub fn write(path: &Path, content: &[u8], replace: bool) -> io::Result<()> {
    let mut file = prepare(path)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    if replace {
        file.persist(path)
    } else {
        file.persist_noclobber(path)
    }
    .map(drop)
    .map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_existing_file_is_replaced_only_on_request() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sig");
        write(&path, b"first", false).unwrap();
        let error = write(&path, b"second", false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        write(&path, b"third", true).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"third");
        // No temporary file remains.
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_directory_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("no/a.sig");
        let error = write(&path, b"", false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(!error.to_string().contains(".countersign-"), "{error}");
        assert!(check(&path).is_err());
        assert!(check(directory.path()).is_err());
    }
}
