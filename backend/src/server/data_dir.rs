//! The data folder: database, identity key, and the lock that keeps a second server out.

use std::{
    fs::{DirBuilder, File, TryLockError},
    os::unix::fs::DirBuilderExt,
    path::Path,
};

use anyhow::{Context, bail};

/// File of the database inside the data folder.
pub const DATABASE: &str = "countersign.db";

/// Makes the data folder, for the server's user only.
///
/// # Errors
/// The folder cannot be made.
pub fn make_data_dir(folder: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot create the data folder {}", folder.display()))
}

/// Locks the data folder, because two servers on one database would end each other's leases. The lock lasts as long as the file is
/// open.
///
/// # Errors
/// Another server has the lock, or the file cannot be written.
pub fn lock_data_dir(folder: &Path) -> anyhow::Result<File> {
    make_data_dir(folder)?;
    let path = folder.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "another server uses the data folder {}: stop it, or choose another folder",
            folder.display()
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}
