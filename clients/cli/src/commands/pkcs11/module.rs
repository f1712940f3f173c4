//! Where the module lies.

use std::path::PathBuf;

use countersign_client::pkcs11::MODULE;

use crate::error::CliError;

/// Folders beside and below the program's own, and where Debian has such modules.
const PLACES: [&str; 4] = [".", "../lib", "../lib/pkcs11", "../lib/countersign"];
const SYSTEM: [&str; 3] = ["/usr/local/lib", "/usr/lib/pkcs11", "/usr/lib"];
/// OpenSSL's engine for PKCS#11 on Debian and Fedora.
const ENGINES: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/engines-3/pkcs11.so",
    "/usr/lib/aarch64-linux-gnu/engines-3/pkcs11.so",
    "/usr/lib64/engines-3/pkcs11.so",
];

/// The module of this installation.
pub fn find() -> Option<PathBuf> {
    let own = std::env::current_exe().ok();
    let folder = own.as_deref().and_then(std::path::Path::parent);
    let beside = folder
        .into_iter()
        .flat_map(|folder| PLACES.map(|place| folder.join(place)));
    beside
        .chain(SYSTEM.map(PathBuf::from))
        .map(|folder| folder.join(MODULE))
        .find(|file| file.is_file())
        .map(|file| file.canonicalize().unwrap_or(file))
}

/// The module, which must be there.
pub fn required() -> Result<PathBuf, CliError> {
    find().ok_or_else(|| {
        CliError::Files(format!(
            "{MODULE} is neither beside this program nor where libraries are: `cargo xtask build` makes it"
        ))
    })
}

/// OpenSSL's engine.
pub fn engine() -> Option<PathBuf> {
    ENGINES
        .map(PathBuf::from)
        .into_iter()
        .find(|file| file.is_file())
}
