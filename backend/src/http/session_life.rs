//! How long sessions of the portal last.

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};
use tower_sessions::{
    ExpiredDeletion, Session, SessionStore,
    session::{Id, Record},
    session_store::Result,
};
use tower_sessions_sqlx_store::SqliteStore;

use crate::{
    app::App,
    store::{self, Durability, StoreError},
};

/// A session that is not used ends after this.
const IDLE: Duration = Duration::hours(1);
/// Any session ends after this, and its cookie is kept for as long.
pub const LONGEST: Duration = Duration::hours(12);
/// A use is written down only when the last one that was is older than this.
const NOTICEABLE: Duration = Duration::minutes(5);

/// Where sessions are kept. What is stored ends when it is not used, whenever its cookie does.
#[derive(Clone, Debug)]
pub struct Sessions(pub SqliteStore);

#[async_trait]
impl SessionStore for Sessions {
    async fn create(&self, record: &mut Record) -> Result<()> {
        // Log-ins are rare, and clear away what others left.
        self.0.delete_expired().await?;
        record.expiry_date = OffsetDateTime::now_utc() + IDLE;
        self.0.create(record).await
    }

    async fn save(&self, record: &Record) -> Result<()> {
        let mut record = record.clone();
        record.expiry_date = OffsetDateTime::now_utc() + IDLE;
        self.0.save(&record).await
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        self.0.load(id).await
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        self.0.delete(id).await
    }
}

/// Notes that a session is used. The request does not wait for what is written.
///
/// # Errors
/// The database's, of what is read.
pub async fn used(app: &App, session: &Session) -> std::result::Result<(), StoreError> {
    let Some(id) = session.id() else {
        return Ok(());
    };
    let until = OffsetDateTime::now_utc() + IDLE;
    let mut connection = app.store.read().await?;
    if store::sessions::ends_before(&mut connection, &id, until - NOTICEABLE).await? {
        let store = app.store.clone();
        tokio::spawn(async move {
            if let Err(error) = extend(&store, &id, until).await {
                tracing::warn!("a session is not extended: {error}");
            }
        });
    }
    Ok(())
}

async fn extend(
    store: &store::Store,
    id: &Id,
    until: OffsetDateTime,
) -> std::result::Result<(), StoreError> {
    let mut connection = store.connection(Durability::Kill).await?;
    store::sessions::extend(&mut connection, id, until).await
}
