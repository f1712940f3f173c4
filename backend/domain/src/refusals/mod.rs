//! Audit entries for what the server refuses. Anyone can have something refused as often as they like, so only the first refusals
//! of each kind and caller have an entry of their own; the others are counted, and the count is logged when its time is over.

mod windows;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use countersign_protocol::{
    Timestamp,
    audit::{Actor, AuditEvent, Refusal},
};

use self::windows::{Noted, Windows};
use crate::store::{Durability, Store, StoreError};

/// How often the server looks for counts whose time is over.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Longest texts of an entry, in characters.
const LONGEST_REQUEST: usize = 100;
const LONGEST_REASON: usize = 300;

/// Logs refusals. Clones share the same state.
#[derive(Clone)]
pub struct Refusals {
    store: Store,
    windows: Arc<Mutex<Windows>>,
}

impl Refusals {
    pub fn new(store: Store) -> Self {
        Self {
            store,
            windows: Arc::default(),
        }
    }

    /// Logs a refusal or counts it. A failure of the database is only written to the log file, because the refusal stands.
    pub async fn note(&self, refusal: Refusal, actor: Actor, request: &str, why: &str) {
        let now = Instant::now();
        let noted = self.windows().note(now, Timestamp::now(), refusal, &actor);
        let Noted::Logged { over } = noted else {
            return;
        };
        let event = AuditEvent::Refused {
            refusal,
            request: shortened(request, LONGEST_REQUEST),
            why: shortened(why, LONGEST_REASON),
        };
        self.append(over.into_iter().chain([(actor, event)]).collect())
            .await;
    }

    /// Logs the counts whose time is over.
    pub async fn log_counts(&self, now: Instant) {
        let over = self.windows().take_over(now, Timestamp::now());
        self.append(over).await;
    }

    /// Logs all counts, because the server stops.
    pub async fn log_all_counts(&self) {
        let counts = self.windows().take_all();
        self.append(counts).await;
    }

    /// Logs counts whenever their time is over, as long as a clone of `self` exists elsewhere.
    pub fn keep_logging(&self) {
        let (store, windows) = (self.store.clone(), Arc::downgrade(&self.windows));
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(CHECK_INTERVAL).await;
                let Some(windows) = windows.upgrade() else {
                    return;
                };
                let store = store.clone();
                Self { store, windows }.log_counts(Instant::now()).await;
            }
        });
    }

    fn windows(&self) -> MutexGuard<'_, Windows> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn append(&self, entries: Vec<(Actor, AuditEvent)>) {
        if entries.is_empty() {
            return;
        }
        if let Err(error) = self.store_entries(entries.clone()).await {
            tracing::warn!(%error, ?entries, "refusals could not be written to the audit log");
        }
    }

    async fn store_entries(&self, entries: Vec<(Actor, AuditEvent)>) -> Result<(), StoreError> {
        // No answer depends on these entries, so they need not survive a power cut at once.
        let mut tx = self.store.write_as(Durability::Kill).await?;
        tx.audit_all(entries).await?;
        tx.commit().await
    }
}

fn shortened(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
