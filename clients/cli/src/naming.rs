//! Names of files in the manifest, and paths of signature files.

use std::{
    ffi::OsString,
    path::{Component, Path, PathBuf},
};

use countersign_protocol::{limits, text};

/// Extension of signature files.
pub const SUFFIX: &str = ".sig";

/// Returns the name of a file in the manifest. It is relative to the working directory if possible, and uses `/` on
/// every system.
pub fn display_name(path: &Path, working_directory: &Path) -> Result<String, String> {
    let shown = path.display();
    let relative = path.strip_prefix(working_directory).unwrap_or(path);
    let mut parts = Vec::new();
    for component in relative.components() {
        match component {
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
            Component::ParentDir => parts.push(".."),
            Component::Normal(part) => {
                let part = part.to_str().ok_or_else(|| {
                    format!("{shown}: the name is not valid UTF-8, so custodians could not read it; rename the file")
                })?;
                parts.push(part);
            }
        }
    }
    // Some systems store accents as characters of their own.
    let name = text::normalised(&parts.join("/"));
    match text::check(&name, limits::FILE_NAME) {
        Ok(()) => Ok(name),
        Err(why) => Err(format!(
            "\"{}\": the name {why}; rename the file",
            text::printable(&shown.to_string())
        )),
    }
}

/// Returns the path of `FILE.sig`, next to the file or in `out_dir`.
pub fn signature_path(file: &Path, out_dir: Option<&Path>) -> PathBuf {
    let with_suffix = |name: &std::ffi::OsStr| {
        let mut name = OsString::from(name);
        name.push(SUFFIX);
        name
    };
    match (out_dir, file.file_name()) {
        (Some(directory), Some(name)) => directory.join(with_suffix(name)),
        _ => PathBuf::from(with_suffix(file.as_os_str())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_relative_and_normalised() {
        let here = Path::new("/home/build/fw");
        for (path, name) in [
            ("out/a.bin", "out/a.bin"),
            ("./out/./a.bin", "out/a.bin"),
            ("/home/build/fw/out/a.bin", "out/a.bin"),
            ("/srv/a.bin", "srv/a.bin"),
            ("../a.bin", "../a.bin"),
        ] {
            assert_eq!(display_name(Path::new(path), here).unwrap(), name);
        }
    }

    #[test]
    fn a_misleading_name_is_rejected() {
        for path in ["a\u{202E}nib.exe", "a\nb", "a\x1b[2J"] {
            let error = display_name(Path::new(path), Path::new("/")).unwrap_err();
            assert!(
                !error.contains('\x1b') && !error.contains('\u{202E}'),
                "{error:?}"
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_not_utf8_is_rejected() {
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(std::ffi::OsStr::from_bytes(b"a\xFF"));
        assert!(display_name(path, Path::new("/")).is_err());
        // The path of a signature may be any bytes.
        assert!(
            signature_path(path, None)
                .as_os_str()
                .as_bytes()
                .ends_with(b"\xFF.sig")
        );
    }

    #[test]
    fn a_signature_is_next_to_its_file_or_in_the_directory() {
        let file = Path::new("out/a.tar.gz");
        assert_eq!(signature_path(file, None), Path::new("out/a.tar.gz.sig"));
        assert_eq!(
            signature_path(file, Some(Path::new("sigs"))),
            Path::new("sigs/a.tar.gz.sig")
        );
    }
}
