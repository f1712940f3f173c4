//! Ties the identity key to the database, so that a lost or exchanged file is noticed at the start.

use std::{fs, io::ErrorKind, path::Path};

use anyhow::{Context, bail};

use super::data_dir::DATABASE;
use crate::{
    config::Config,
    identity::{self, ServerKey},
    store::{self, Store},
};

/// An empty file with this name in the data directory allows another identity key once.
const ACCEPT: &str = "accept-new-identity";

/// Refuses to begin with an empty database where a server was before.
///
/// # Errors
/// The database is missing, but other files of a server exist.
pub fn check_database_exists(folder: &Path) -> anyhow::Result<()> {
    let database = folder.join(DATABASE);
    let is_missing = fs::metadata(&database).map_or_else(
        |error| error.kind() == ErrorKind::NotFound,
        |metadata| metadata.len() == 0,
    );
    let left = [identity::FILE, "instance.json"].map(|name| folder.join(name));
    if is_missing && let Some(other) = left.iter().find(|path| path.exists()) {
        bail!(
            "the database {} is missing or empty, but {} exists: restore the database from a backup, or, to begin as a new server \
             without people, keys and history, move {} and {} away",
            database.display(),
            other.display(),
            left[0].display(),
            left[1].display()
        );
    }
    Ok(())
}

/// Reads the identity key, which must be the one to which the database belongs.
///
/// # Errors
/// The key is missing, damaged, exchanged, or readable by others, or the database fails.
pub async fn load(config: &Config, store: &Store) -> anyhow::Result<ServerKey> {
    let folder = &config.data_dir;
    let path = folder.join(identity::FILE);
    let accept = folder.join(ACCEPT);
    let mut tx = store.write().await?;
    let tied = store::instance::identity(tx.connection()).await?;
    let accepts = accept.exists();
    let way = || {
        format!(
            "restore it from a backup, or, to go on with another key, which every custodian then has to confirm in the helper, \
             create the file {} and start again",
            accept.display()
        )
    };
    if tied.is_some() && !path.exists() && !accepts {
        bail!(
            "the identity key {} is missing, but the database belongs to it: {}",
            path.display(),
            way()
        );
    }
    let key = ServerKey::load_or_create(folder, &config.name, &config.public_origin)?;
    let fingerprint = key.fingerprint().to_hex();
    match tied {
        Some(tied) if tied == fingerprint => return Ok(key),
        Some(_) if !accepts => bail!(
            "the identity key {} is not the one to which the database belongs: {}",
            path.display(),
            way()
        ),
        Some(_) | None => {}
    }
    store::instance::set_identity(tx.connection(), &fingerprint).await?;
    tx.commit().await?;
    if accepts {
        tracing::warn!(identity = %key.fingerprint(), "the server goes on with another identity key");
        fs::remove_file(&accept).with_context(|| format!("cannot remove {}", accept.display()))?;
    }
    Ok(key)
}
