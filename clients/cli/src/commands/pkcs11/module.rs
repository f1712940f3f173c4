//! Finds the PKCS#11 module and OpenSSL's engine.

use std::path::PathBuf;

use countersign_client::pkcs11::MODULE;

use crate::error::CliError;

/// Directories that may contain the module, relative to the program's own.
const RELATIVE_DIRECTORIES: [&str; 4] = [".", "../lib", "../lib/pkcs11", "../lib/countersign"];
const SYSTEM_DIRECTORIES: [&str; 3] = ["/usr/local/lib", "/usr/lib/pkcs11", "/usr/lib"];
/// Paths of OpenSSL's PKCS#11 engine on Debian and Fedora.
const ENGINES: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/engines-3/pkcs11.so",
    "/usr/lib/aarch64-linux-gnu/engines-3/pkcs11.so",
    "/usr/lib64/engines-3/pkcs11.so",
];

fn find() -> Option<PathBuf> {
    let program = std::env::current_exe().ok();
    let directory = program.as_deref().and_then(std::path::Path::parent);
    let relative = directory
        .into_iter()
        .flat_map(|directory| RELATIVE_DIRECTORIES.map(|relative| directory.join(relative)));
    relative
        .chain(SYSTEM_DIRECTORIES.map(PathBuf::from))
        .map(|directory| directory.join(MODULE))
        .find(|file| file.is_file())
        .map(|file| file.canonicalize().unwrap_or(file))
}

/// Returns the path of the module of this installation.
///
/// # Errors
/// The module was not found.
pub fn required() -> Result<PathBuf, CliError> {
    find().ok_or_else(|| {
        CliError::Files(format!(
            "{MODULE} not found next to this program or in the library directories: build it with `cargo xtask build`"
        ))
    })
}

/// Returns the path of OpenSSL's PKCS#11 engine, if it is installed.
pub fn engine() -> Option<PathBuf> {
    ENGINES
        .map(PathBuf::from)
        .into_iter()
        .find(|file| file.is_file())
}
