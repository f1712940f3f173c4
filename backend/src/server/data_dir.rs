//! The data directory: the database, the identity key, and the lock that keeps out a second server.

use std::{
    fs::{DirBuilder, File, TryLockError},
    os::unix::fs::DirBuilderExt,
    path::Path,
};

use anyhow::{Context, bail};

/// Name of the database file in the data directory.
pub const DATABASE: &str = "countersign.db";

/// Creates the data directory, which only the server's user can access.
///
/// # Errors
/// The directory cannot be created.
pub fn make_data_dir(folder: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot create the data directory {}", folder.display()))
}

/// Locks the data directory, because two servers on one database would end each other's leases. The lock is held while the
/// returned file is open.
///
/// # Errors
/// Another server holds the lock, or the lock file cannot be written.
pub fn lock_data_dir(folder: &Path) -> anyhow::Result<File> {
    make_data_dir(folder)?;
    let path = folder.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "another server uses the data directory {}: stop it, or choose another directory with --data-dir",
            folder.display()
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}
