//! The places for connections. If all are taken, the connection that has been idle for the longest time is closed for a new one, so
//! that idle ones never keep out a page that the user needs.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The most open connections.
const MAX_CONNECTIONS: usize = 32;
/// A connection that was used within this time is not closed for another one.
const MIN_IDLE: Duration = Duration::from_secs(30);
/// How long a new connection waits for the place of an idle one.
const CLOSING: Duration = Duration::from_secs(1);

/// All places, and the sessions in them.
pub(crate) struct Places {
    permits: Arc<Semaphore>,
    sessions: Mutex<Sessions>,
    min_idle: Duration,
}

#[derive(Default)]
struct Sessions {
    next: u64,
    idle: HashMap<u64, Idle>,
}

/// A session that does nothing at present.
struct Idle {
    since: Instant,
    close: Arc<Notify>,
}

/// The session of one page.
pub(super) struct Place {
    places: Arc<Places>,
    id: u64,
    close: Arc<Notify>,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            sessions: Mutex::default(),
            min_idle: MIN_IDLE,
        }
    }
}

impl Places {
    /// Takes a place, if necessary that of an idle session. Returns `None` if all sessions are in use.
    pub(super) async fn take(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = self.permits.clone().try_acquire_owned() {
            return Some(permit);
        }
        self.close_longest_idle()?;
        let permit = tokio::time::timeout(CLOSING, self.permits.clone().acquire_owned());
        permit.await.ok()?.ok()
    }

    fn close_longest_idle(&self) -> Option<()> {
        let mut sessions = self.sessions();
        let (id, _) = sessions
            .idle
            .iter()
            .filter(|(_, idle)| idle.since.elapsed() >= self.min_idle)
            .min_by_key(|(_, idle)| idle.since)?;
        let id = *id;
        let idle = sessions.idle.remove(&id)?;
        tracing::info!("closed an idle connection, because a new one needs its place");
        idle.close.notify_one();
        Some(())
    }

    /// Registers a session, which is in use.
    pub(super) fn session(self: &Arc<Self>) -> Place {
        let mut sessions = self.sessions();
        sessions.next += 1;
        Place {
            places: self.clone(),
            id: sessions.next,
            close: Arc::default(),
        }
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The session does nothing from now on.
    pub(super) fn idle(&self) {
        let idle = Idle {
            since: Instant::now(),
            close: self.close.clone(),
        };
        self.places.sessions().idle.insert(self.id, idle);
    }

    /// The session is in use.
    pub(super) fn in_use(&self) {
        self.places.sessions().idle.remove(&self.id);
    }

    /// Returns when the session has to give up its place.
    pub(super) async fn closed(&self) {
        self.close.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.in_use();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_idle_session_gives_its_place_to_a_new_one() {
        let places = Arc::new(Places {
            min_idle: Duration::ZERO,
            ..Places::default()
        });
        let mut sessions = Vec::new();
        for _ in 0..MAX_CONNECTIONS {
            let permit = places.take().await.unwrap();
            sessions.push((places.session(), permit));
        }
        assert!(places.take().await.is_none(), "all sessions are in use");
        sessions[5].0.idle();
        sessions[3].0.idle();
        let (place, permit) = sessions.remove(5);
        let closing = tokio::spawn(async move {
            place.closed().await;
            drop(permit);
        });
        let new = places.take().await;
        assert!(new.is_some());
        closing.await.unwrap();
        // One that is in use again keeps its place.
        sessions[3].0.in_use();
        assert!(places.take().await.is_none());
    }

    #[tokio::test]
    async fn a_session_is_not_closed_at_once() {
        let places = Arc::new(Places::default());
        let mut permits = Vec::new();
        for _ in 0..MAX_CONNECTIONS {
            permits.push(places.take().await.unwrap());
        }
        let place = places.session();
        place.idle();
        assert!(places.take().await.is_none());
    }
}
