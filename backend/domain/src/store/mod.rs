//! The SQLite database: one file. Each change is one transaction, which includes its audit entry.

pub mod activations;
pub mod acts;
pub mod audit;
mod file;
pub mod hsms;
pub mod instance;
pub mod invitations;
pub mod keys;
pub mod operators;
pub mod quarantines;
pub mod queue;
pub mod remote;
pub mod sessions;
pub mod signatures;
pub mod summaries;
pub mod tokens;
mod write_tx;

use std::{
    fs::OpenOptions,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use countersign_protocol::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{
    Connection, Executor, Sqlite, SqlitePool,
    pool::PoolConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::watch;

pub use self::write_tx::WriteTx;
use self::{file::DatabaseFile, instance::InstanceFile};
use crate::events::{Change, Changes};

/// `PRAGMA cache_size` of the connection for changes: 64 MiB (negative means KiB), so that the tables that grow with each signature
/// stay in the cache.
const CHANGES_CACHE: &str = "-65536";

/// A failure of the database or its disk, or contents that this program did not write.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    #[error("the database cannot be migrated to this version: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    #[error("the database holds a value that cannot be read: {0}")]
    Unreadable(String),
    #[error(
        "the database {path} is damaged ({what}): stop the server and restore the database from a backup, as the chapter \
         \"Restore\" of docs/operations.md describes"
    )]
    Damaged { path: String, what: String },
    #[error(
        "the database {0} was deleted or replaced while the server runs, so nothing more is stored or signed: restore the file, \
         then restart the server"
    )]
    Replaced(String),
    #[error(
        "the file {path} cannot be read or written ({why}): it has to be readable and writable for the server; if it is damaged, \
         delete it, and the server starts as after the restore of a backup"
    )]
    Instance { path: String, why: String },
    #[error("a temporary file in the data directory failed ({0}): check the space on its disk")]
    TemporaryFile(std::io::Error),
    #[error("the signature journal failed: {0}")]
    Journal(String),
}

/// The database. Clones share the same connections.
#[derive(Clone, Debug)]
pub struct Store {
    pool: SqlitePool,
    /// A single connection for all changes, so that its page cache stays valid. SQLite makes changes one after the other anyway.
    changes: SqlitePool,
    /// Whether the connection for changes was released with a transaction that may still be open.
    unfinished: Arc<AtomicBool>,
    changed: Changes,
    /// The counter of [`Store::people_generation`].
    people: watch::Sender<u64>,
    file: DatabaseFile,
    instance: InstanceFile,
}

/// The failures that a change survives. A change on which an answer depends must survive a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// `kill -9`, but not a power cut. This is for changes on which no answer depends yet.
    Kill,
    /// `kill -9` and a power cut.
    PowerCut,
}

impl Durability {
    /// Applies this durability to the next statements on a connection.
    fn setting(self) -> &'static str {
        match self {
            Self::Kill => "PRAGMA synchronous = NORMAL",
            Self::PowerCut => "PRAGMA synchronous = FULL",
        }
    }

    /// Begins a transaction with this durability, in one call to SQLite.
    fn begin(self) -> &'static str {
        match self {
            Self::Kill => "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE",
            Self::PowerCut => "PRAGMA synchronous = FULL; BEGIN IMMEDIATE",
        }
    }
}

impl Store {
    /// Opens the database. Creates it if the file does not exist, and migrates it to this version.
    pub async fn open(path: &Path, changed: Changes) -> Result<Self, StoreError> {
        let instance = InstanceFile::beside(path);
        // The file holds sessions and names. SQLite creates its journal files with the same mode.
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map_err(sqlx::Error::Io)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // An answered change must survive a power cut.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(std::time::Duration::from_secs(10));
        let pool = SqlitePoolOptions::new()
            .max_connections(8)
            // SQLite is a local file, so a connection needs no liveness check before it is used.
            .test_before_acquire(false)
            // A transaction that a caller left open, or that SQLite ended without sqlx's knowledge, must not reach the next caller.
            .after_release(|connection, _| {
                Box::pin(async move { Ok(!connection.is_in_transaction()) })
            })
            .connect_with(options.clone())
            .await?;
        let file = DatabaseFile::opened(path)?;
        file.check_contents(&mut *pool.acquire().await?).await?;
        sqlx::migrate!("./migrations").run(&pool).await?;
        let unfinished = Arc::new(AtomicBool::new(false));
        let left_unfinished = unfinished.clone();
        let changes = SqlitePoolOptions::new()
            .max_connections(1)
            .test_before_acquire(false)
            .after_release(move |connection, _| {
                let roll_back = left_unfinished.swap(false, Ordering::SeqCst);
                // If the rollback fails, the state of the connection is unknown, so it is closed and replaced.
                Box::pin(
                    async move { Ok(!roll_back || connection.execute("ROLLBACK").await.is_ok()) },
                )
            })
            .connect_with(options.pragma("cache_size", CHANGES_CACHE))
            .await?;
        let store = Self {
            pool,
            changes,
            unfinished,
            changed,
            people: watch::Sender::default(),
            file,
            instance,
        };
        let mut tx = store.write().await?;
        store.instance.tie(tx.connection()).await?;
        tx.commit().await?;
        Ok(store)
    }

    /// The connection pool, for libraries that have their own tables.
    pub fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// A counter that grows with every change of people and their tokens, and with log-outs. A cached look-up is valid while the
    /// counter is unchanged.
    pub fn people_generation(&self) -> u64 {
        *self.people.borrow()
    }

    /// Receives each new value of [`Self::people_generation`].
    pub fn people_changes(&self) -> watch::Receiver<u64> {
        self.people.subscribe()
    }

    /// Notifies listeners of a change that is not stored.
    pub fn publish(&self, change: Change) {
        self.changed.publish(change);
    }

    /// A connection for reading.
    pub async fn read(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        Ok(self.pool.acquire().await?)
    }

    /// A connection for a change that is a single statement.
    pub async fn connection(
        &self,
        durability: Durability,
    ) -> Result<PoolConnection<Sqlite>, StoreError> {
        self.file.check()?;
        let mut connection = self.changes.acquire().await?;
        connection.execute(durability.setting()).await?;
        Ok(connection)
    }

    /// Begins a change that survives a power cut. Changes are made one after the other, so never hold one during a slow operation.
    pub async fn write(&self) -> Result<WriteTx, StoreError> {
        self.write_as(Durability::PowerCut).await
    }

    /// As [`Self::write`], with this durability.
    pub async fn write_as(&self, durability: Durability) -> Result<WriteTx, StoreError> {
        self.file.check()?;
        // The change owns the connection before the transaction begins, so that it is dropped, and rolled back, if the caller leaves
        // meanwhile.
        let mut change = WriteTx::of(self, self.changes.acquire().await?);
        change.connection().execute(durability.begin()).await?;
        Ok(change)
    }
}

fn to_json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Unreadable(error.to_string()))
}

fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Unreadable(error.to_string()))
}

/// Parses the text of a column.
fn from_text<T: std::str::FromStr>(text: &str) -> Result<T, StoreError>
where
    T::Err: std::fmt::Display,
{
    text.parse()
        .map_err(|error: T::Err| StoreError::Unreadable(error.to_string()))
}

/// A time as text that sorts by time.
fn time_text(at: Timestamp) -> String {
    format!("{at:.3}")
}

fn unsigned(value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|error| StoreError::Unreadable(error.to_string()))
}
