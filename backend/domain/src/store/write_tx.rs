//! A change of the database.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use countersign_protocol::audit::{Actor, AuditEvent};
use sqlx::{Executor, Sqlite, SqliteConnection, pool::PoolConnection};
use tokio::sync::watch;

use super::{
    Store, StoreError, audit,
    instance::{self, InstanceFile},
};
use crate::events::{Change, Changes};

/// A transaction with its notifications. It is rolled back if it is dropped without [`WriteTx::commit`].
///
/// It is begun and ended by plain statements, because sqlx counts transactions itself, and its count is wrong after a caller left
/// during `BEGIN` or SQLite rolled back because the disk was full.
pub struct WriteTx {
    connection: PoolConnection<Sqlite>,
    finished: bool,
    unfinished: Arc<AtomicBool>,
    changed: Changes,
    people: watch::Sender<u64>,
    callers_changed: bool,
    pending: Vec<Change>,
    instance: InstanceFile,
    /// The type of the last audit entry.
    #[cfg(feature = "fault-points")]
    last_entry: Option<String>,
}

impl WriteTx {
    /// A change on the connection of a store, in which the transaction has not begun yet.
    pub(super) fn of(store: &Store, connection: PoolConnection<Sqlite>) -> Self {
        Self {
            connection,
            finished: false,
            unfinished: store.unfinished.clone(),
            changed: store.changed.clone(),
            people: store.people.clone(),
            callers_changed: false,
            pending: Vec::new(),
            instance: store.instance.clone(),
            #[cfg(feature = "fault-points")]
            last_entry: None,
        }
    }

    pub fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// Appends an audit entry in this transaction.
    pub async fn audit(&mut self, actor: &Actor, event: AuditEvent) -> Result<(), StoreError> {
        self.audit_all([(actor.clone(), event)]).await
    }

    /// Appends audit entries in this transaction, in one statement.
    pub async fn audit_all(
        &mut self,
        events: impl IntoIterator<Item = (Actor, AuditEvent)>,
    ) -> Result<(), StoreError> {
        #[cfg(feature = "fault-points")]
        let events = events.into_iter().inspect(|(_, event)| {
            let json = serde_json::to_value(event).unwrap_or_default();
            self.last_entry = json["type"].as_str().map(str::to_owned);
        });
        let total = audit::append(&mut self.connection, events).await?;
        self.pending.push(Change::Audit { total });
        Ok(())
    }

    /// Notifies listeners of a change after the commit.
    pub fn changed(&mut self, change: Change) {
        self.pending.push(change);
    }

    /// Has every caller authenticated again after the commit, as a change of people does.
    pub fn forget_callers(&mut self) {
        self.callers_changed = true;
    }

    /// Commits the change, then notifies listeners.
    ///
    /// # Errors
    /// SQLite cannot commit, for example because the disk is full. The change is then rolled back.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        let people_changed = self.callers_changed || self.pending.contains(&Change::People);
        let epoch = if people_changed {
            instance::advance(&mut self.connection).await?
        } else {
            None
        };
        #[cfg(feature = "fault-points")]
        crate::faults::armed::before_commit(self.last_entry.as_deref())
            .await
            .map_err(sqlx::Error::Io)?;
        self.connection.execute("COMMIT").await?;
        #[cfg(feature = "fault-points")]
        crate::faults::armed::after_commit(self.last_entry.as_deref());
        self.finished = true;
        if let Some(epoch) = epoch
            && let Err(error) = self.instance.follow(epoch)
        {
            // The change is stored. A start before the next change would not notice that an older copy was restored.
            tracing::error!(%error, "a change of people is not noted beside the database");
        }
        if people_changed {
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
            // The pool's `after_release` reads this when the connection is released, right after this.
            self.unfinished.store(true, Ordering::SeqCst);
        }
    }
}
