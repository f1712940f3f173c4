//! SQLite: one file, one transaction per change, the audit entry inside it.

pub mod activations;
pub mod audit;
pub mod hsms;
pub mod invitations;
pub mod keys;
pub mod operators;
pub mod remote;
pub mod sessions;
pub mod signatures;
pub mod tokens;

use std::{
    fs::OpenOptions,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use countersign_protocol::{
    Timestamp,
    audit::{Actor, AuditEvent},
};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{
    Connection, Executor, Sqlite, SqliteConnection, SqlitePool,
    pool::PoolConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::watch;

use crate::events::{Change, Changes};

/// Page cache of the connection for changes, as SQLite wants it: 64 MiB, so that what grows by every signature stays in it.
const CHANGES_CACHE: &str = "-65536";

/// Why the store failed: the disk, or contents that this program did not write.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// Migrations.
    #[error("the database cannot be brought to this version: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A row that cannot be read.
    #[error("the database holds something unreadable: {0}")]
    Unreadable(String),
}

/// The database.
#[derive(Clone, Debug)]
pub struct Store {
    pool: SqlitePool,
    /// One connection for all changes: its page cache stays good, and changes come one after the other anyway.
    changes: SqlitePool,
    /// Whether the connection for changes was given back with a transaction that may still be open.
    unfinished: Arc<AtomicBool>,
    changed: Changes,
    /// Grows with every change of people and their tokens.
    people: watch::Sender<u64>,
}

/// What a change has to survive. Every change that is answered survives a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// `kill -9`, but not a power cut: nothing that the outside has heard of.
    Kill,
    /// A power cut, too.
    PowerCut,
}

impl Durability {
    /// For the statements that follow on a connection.
    fn setting(self) -> &'static str {
        match self {
            Self::Kill => "PRAGMA synchronous = NORMAL",
            Self::PowerCut => "PRAGMA synchronous = FULL",
        }
    }

    /// Begins a transaction with this setting, in one call to SQLite.
    fn begin(self) -> &'static str {
        match self {
            Self::Kill => "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE",
            Self::PowerCut => "PRAGMA synchronous = FULL; BEGIN IMMEDIATE",
        }
    }
}

impl Store {
    /// Opens the database, making or migrating it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open(path: &Path, changed: Changes) -> Result<Self, StoreError> {
        // Sessions and names are in it; what SQLite puts beside it gets the same mode.
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
            // What is answered must survive a power cut, too.
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
        sqlx::migrate!("./migrations").run(&pool).await?;
        let unfinished = Arc::new(AtomicBool::new(false));
        let left_unfinished = unfinished.clone();
        let changes = SqlitePoolOptions::new()
            .max_connections(1)
            .test_before_acquire(false)
            .after_release(move |connection, _| {
                let roll_back = left_unfinished.swap(false, Ordering::SeqCst);
                // Where nothing can be rolled back, the connection's state is unknown, so it is closed and replaced.
                Box::pin(
                    async move { Ok(!roll_back || connection.execute("ROLLBACK").await.is_ok()) },
                )
            })
            .connect_with(options.pragma("cache_size", CHANGES_CACHE))
            .await?;
        Ok(Self {
            pool,
            changes,
            unfinished,
            changed,
            people: watch::Sender::default(),
        })
    }

    /// The pool, for what keeps tables of its own.
    pub fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// Grows with every change of people and their tokens, and with log-outs: what was read before is only good while it
    /// has not.
    pub fn people_generation(&self) -> u64 {
        *self.people.borrow()
    }

    /// Wakes whenever [`Self::people_generation`] grows from now on.
    pub fn people_changes(&self) -> watch::Receiver<u64> {
        self.people.subscribe()
    }

    /// Reports a change of something that is not stored.
    pub fn publish(&self, change: Change) {
        self.changed.publish(change);
    }

    /// A connection to read with.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn read(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        Ok(self.pool.acquire().await?)
    }

    /// A connection for a change that is a single statement.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn connection(
        &self,
        durability: Durability,
    ) -> Result<PoolConnection<Sqlite>, StoreError> {
        let mut connection = self.changes.acquire().await?;
        connection.execute(durability.setting()).await?;
        Ok(connection)
    }

    /// Begins a change. Changes come one after the other; never hold one across anything slow.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn write(&self) -> Result<WriteTx, StoreError> {
        self.write_as(Durability::PowerCut).await
    }

    /// [`Self::write`] for a change that has to survive this much.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn write_as(&self, durability: Durability) -> Result<WriteTx, StoreError> {
        // The change owns the connection before the transaction begins: a caller that leaves while it begins drops it.
        let mut change = WriteTx {
            connection: self.changes.acquire().await?,
            finished: false,
            unfinished: self.unfinished.clone(),
            changed: self.changed.clone(),
            people: self.people.clone(),
            callers_changed: false,
            pending: Vec::new(),
        };
        change.connection.execute(durability.begin()).await?;
        Ok(change)
    }
}

/// A change under way. Dropped without [`WriteTx::commit`], it is rolled back.
///
/// The transaction is begun and ended by plain statements, because sqlx counts transactions by itself and its count is wrong
/// once a caller left in the middle of `BEGIN` or SQLite rolled back because the disk was full.
pub struct WriteTx {
    connection: PoolConnection<Sqlite>,
    finished: bool,
    unfinished: Arc<AtomicBool>,
    changed: Changes,
    people: watch::Sender<u64>,
    callers_changed: bool,
    pending: Vec<Change>,
}

impl WriteTx {
    /// The connection.
    pub fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// Appends an audit entry in this transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn audit(&mut self, actor: &Actor, event: AuditEvent) -> Result<(), StoreError> {
        self.audit_all([(actor.clone(), event)]).await
    }

    /// Appends audit entries in this transaction, in one statement.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn audit_all(
        &mut self,
        events: impl IntoIterator<Item = (Actor, AuditEvent)>,
    ) -> Result<(), StoreError> {
        let total = audit::append(&mut self.connection, events).await?;
        self.pending.push(Change::Audit { total });
        Ok(())
    }

    /// Reports a change to listeners once this is committed.
    pub fn changed(&mut self, change: Change) {
        self.pending.push(change);
    }

    /// Has every caller looked up again once this is committed, as a change of people does.
    pub fn forget_callers(&mut self) {
        self.callers_changed = true;
    }

    /// Makes the change last, then tells listeners.
    ///
    /// # Errors
    /// [`StoreError::Database`]; nothing has happened then.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        self.connection.execute("COMMIT").await?;
        self.finished = true;
        if self.callers_changed || self.pending.contains(&Change::People) {
            self.people.send_modify(|generation| *generation += 1);
        }
        for change in std::mem::take(&mut self.pending) {
            self.changed.publish(change);
        }
        Ok(())
    }
}

impl Drop for WriteTx {
    fn drop(&mut self) {
        if !self.finished {
            // Read when the connection is released, which follows.
            self.unfinished.store(true, Ordering::SeqCst);
        }
    }
}

/// JSON for a column.
fn to_json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Unreadable(error.to_string()))
}

/// JSON from a column.
fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Unreadable(error.to_string()))
}

/// Text of a column as something that is written as text.
fn from_text<T: std::str::FromStr>(text: &str) -> Result<T, StoreError>
where
    T::Err: std::fmt::Display,
{
    text.parse()
        .map_err(|error: T::Err| StoreError::Unreadable(error.to_string()))
}

/// A moment as text that sorts by time.
fn moment(at: Timestamp) -> String {
    format!("{at:.3}")
}
