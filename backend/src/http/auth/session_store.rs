//! Stores the portal's sessions and limits their lifetime.

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};
use tower_sessions::{
    Session, SessionStore as Backend,
    session::{Id, Record},
    session_store::Result,
};
use tower_sessions_sqlx_store::SqliteStore;

use crate::store::{self, Durability, Store, StoreError};

/// An unused session ends after this time.
const IDLE: Duration = Duration::hours(1);
/// Every session ends after this time at the latest, and so does its cookie.
pub const LONGEST: Duration = Duration::hours(12);
/// A use is recorded only if the last recorded one is older than this, which saves writes.
const NOTICEABLE: Duration = Duration::minutes(5);

/// Sessions in the database. A stored session ends when it is unused, even while its cookie is still valid.
#[derive(Clone, Debug)]
pub struct SessionStore {
    rows: SqliteStore,
    store: Store,
}

impl SessionStore {
    /// Opens the sessions of this database, and creates their table if necessary.
    ///
    /// # Errors
    /// The table cannot be created.
    pub async fn open(store: &Store) -> std::result::Result<Self, StoreError> {
        let rows = SqliteStore::new(store.pool().clone());
        rows.migrate().await?;
        Ok(Self {
            rows,
            store: store.clone(),
        })
    }

    /// Records that a session was used, in the background, so that the request does not wait for the write.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn used(&self, session: &Session) -> std::result::Result<(), StoreError> {
        let Some(id) = session.id() else {
            return Ok(());
        };
        let until = OffsetDateTime::now_utc() + IDLE;
        let mut connection = self.store.read().await?;
        if store::sessions::ends_before(&mut connection, &id.to_string(), until - NOTICEABLE)
            .await?
        {
            let store = self.store.clone();
            tokio::spawn(async move {
                if let Err(error) = extend(&store, &id, until).await {
                    tracing::warn!(%error, "a session could not be extended, so it ends early");
                }
            });
        }
        Ok(())
    }

    async fn clear_away(&self) -> std::result::Result<(), StoreError> {
        let mut connection = self.store.connection(Durability::Kill).await?;
        store::sessions::delete_expired(&mut connection, OffsetDateTime::now_utc()).await
    }
}

#[async_trait]
impl Backend for SessionStore {
    async fn create(&self, record: &mut Record) -> Result<()> {
        // Log-ins are rare, so each one deletes the expired sessions. A failure to do so does not prevent the log-in.
        if let Err(error) = self.clear_away().await {
            tracing::warn!(%error, "expired sessions could not be deleted");
        }
        record.expiry_date = OffsetDateTime::now_utc() + IDLE;
        self.rows.create(record).await
    }

    async fn save(&self, record: &Record) -> Result<()> {
        let mut record = record.clone();
        record.expiry_date = OffsetDateTime::now_utc() + IDLE;
        self.rows.save(&record).await
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        self.rows.load(id).await
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        self.rows.delete(id).await
    }
}

async fn extend(
    store: &Store,
    id: &Id,
    until: OffsetDateTime,
) -> std::result::Result<(), StoreError> {
    let mut connection = store.connection(Durability::Kill).await?;
    store::sessions::extend(&mut connection, &id.to_string(), until).await
}
