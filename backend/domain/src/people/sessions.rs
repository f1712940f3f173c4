//! Sessions of the portal: their secrets, their ends, and the list that a person sees.
//!
//! A session gets a new secret at regular intervals. The browser may not receive it, so the old secret stays valid until the new one
//! is used for the first time, and a short time longer for requests that were sent before. Later, only a copy can bring it back.

use std::time::Duration;

use countersign_protocol::{
    Timestamp,
    audit::{Actor, AuditEvent},
    id::{OperatorId, SessionId},
    operator::Person,
    session::{OpenSession, SessionEnd, SessionView},
};

use super::{
    LoginError, People, PeopleError,
    session_secret::{NewSecret, SessionSecret},
};
use crate::{
    config::SessionConfig,
    store::{
        self, StoreError, WriteTx,
        sessions::{BySecret, Deleted, StoredSession},
    },
};

/// How long a replaced secret is still accepted, for requests that were sent before the browser had the new one.
const GRACE: Duration = Duration::from_secs(60);
/// The browser is offered another secret if it has not used the offered one after this time.
const OFFER_AGAIN: Duration = Duration::from_secs(5 * 60);
/// The last use of a session is stored at most once in this time.
const NOTICEABLE: Duration = Duration::from_secs(60);
/// Largest number of sessions of one person. A further log-in ends the one that was not used for the longest time.
const MOST: usize = 20;

/// The browser that logs in.
#[derive(Debug, Default)]
pub struct Browser {
    /// The address of its network.
    pub address: String,
    /// Its name and operating system.
    pub name: String,
    /// The secret of a session that it has. The log-in ends this session, because an attacker may know its secret.
    pub earlier: Option<SessionSecret>,
}

/// A session that a request has identified.
#[derive(Clone)]
pub struct LiveSession {
    pub view: SessionView,
    pub id: SessionId,
    began_at: Timestamp,
    /// Number of the secret that the request carried.
    number: i64,
    /// Whether this use has to be stored.
    is_noticeable: bool,
    /// Whether the browser has to be given a new secret.
    needs_secret: bool,
}

fn earlier(now: Timestamp, time: Duration) -> Timestamp {
    now.saturating_sub(time).unwrap_or(Timestamp::MIN)
}

fn has_ended(session: &StoredSession, limits: &SessionConfig, now: Timestamp) -> bool {
    session.began_at <= earlier(now, limits.longest())
        || session.used_at <= earlier(now, limits.idle())
}

/// Records the ends of sessions in the change that deleted them. Requests that wait are authenticated again.
async fn record_ends(
    tx: &mut WriteTx,
    actor: &Actor,
    ended: Vec<Deleted>,
    why: SessionEnd,
) -> Result<(), StoreError> {
    if ended.is_empty() {
        return Ok(());
    }
    tx.forget_callers();
    tx.audit_all(ended.into_iter().map(|session| {
        let event = AuditEvent::SessionEnded {
            session: session.id,
            person: session.person,
            why,
        };
        (actor.clone(), event)
    }))
    .await
}

impl People {
    /// The session with this secret. A replaced secret ends the session.
    pub async fn session_by_secret(
        &self,
        secret: &SessionSecret,
    ) -> Result<Option<LiveSession>, StoreError> {
        let now = Timestamp::now();
        let mut connection = self.store.read().await?;
        let found = store::sessions::by_secret(&mut connection, &secret.hash()).await?;
        drop(connection);
        let Some(found) = found else { return Ok(None) };
        if has_ended(&found.session, &self.session_limits, now) {
            return Ok(None);
        }
        if is_reused(&found, now) {
            let session = &found.session;
            tracing::warn!(
                session = %session.id, address = session.address,
                "a session was ended, because one of its earlier secrets was used again: somebody else may have copied it"
            );
            let mut tx = self.store.write().await?;
            let ended = store::sessions::delete(tx.connection(), &session.id).await?;
            record_ends(&mut tx, &Actor::Server, ended, SessionEnd::SecretReused).await?;
            tx.commit().await?;
            return Ok(None);
        }
        let Some(view) = self.session(&found.session.person).await? else {
            return Ok(None);
        };
        let made_before = earlier(now, self.session_limits.secret());
        Ok(Some(LiveSession {
            view,
            id: found.session.id,
            began_at: found.session.began_at,
            number: found.number,
            is_noticeable: found.replaces || found.session.used_at <= earlier(now, NOTICEABLE),
            needs_secret: found.replaced_at.is_none()
                && found.made_at <= made_before
                && found.newest_at <= earlier(now, OFFER_AGAIN),
        }))
    }

    /// The person of a session that has not ended. A request that waits asks for it by id, because its secret may have been replaced.
    pub async fn session_by_id(&self, id: &SessionId) -> Result<Option<SessionView>, StoreError> {
        let mut connection = self.store.read().await?;
        let session = store::sessions::by_id(&mut connection, id).await?;
        drop(connection);
        match session {
            Some(session) if !has_ended(&session, &self.session_limits, Timestamp::now()) => {
                self.session(&session.person).await
            }
            _ => Ok(None),
        }
    }

    /// Stores in the background that a session was used, if that is noticeable.
    pub fn note_use(&self, session: &LiveSession, address: String) {
        if !session.is_noticeable {
            return;
        }
        let (people, session, now) = (self.clone(), session.clone(), Timestamp::now());
        tokio::spawn(async move {
            let noted = async {
                let mut tx = people.store.write_as(store::Durability::Kill).await?;
                let (id, number) = (&session.id, session.number);
                store::sessions::used(tx.connection(), id, number, now, &address).await?;
                tx.commit().await
            };
            if let Err(error) = noted.await {
                tracing::warn!(%error, "the use of a session could not be stored, so it may end early");
            }
        });
    }

    /// Makes a new secret for a session, if it needs one and no other request has got it.
    pub async fn new_secret(
        &self,
        session: &LiveSession,
    ) -> Result<Option<NewSecret>, PeopleError> {
        if !session.needs_secret {
            return Ok(None);
        }
        let (secret, now) = (SessionSecret::new()?, Timestamp::now());
        let mut tx = self.store.write().await?;
        let unless_after = earlier(now, OFFER_AGAIN);
        let hash = secret.hash();
        let added =
            store::sessions::add_secret(tx.connection(), &session.id, &hash, now, unless_after)
                .await?;
        tx.commit().await?;
        let ends_at = session.began_at + self.session_limits.longest();
        let lasts = Duration::try_from(ends_at.duration_since(now)).unwrap_or_default();
        Ok(added.then_some(NewSecret { secret, lasts }))
    }

    /// Begins a session in the change that records the log-in.
    pub(super) async fn begin_session(
        &self,
        tx: &mut WriteTx,
        person: &Person,
        browser: &Browser,
    ) -> Result<NewSecret, LoginError> {
        let secret = SessionSecret::new()?;
        let now = Timestamp::now();
        let mut replaced = Vec::new();
        if let Some(earlier) = &browser.earlier
            && let Some(found) =
                store::sessions::by_secret(tx.connection(), &earlier.hash()).await?
        {
            replaced.extend(store::sessions::delete(tx.connection(), &found.session.id).await?);
        }
        let others = store::sessions::of_person(tx.connection(), &person.id).await?;
        for unused in others.iter().skip(MOST - 1) {
            replaced.extend(store::sessions::delete(tx.connection(), &unused.id).await?);
        }
        let actor = Actor::Operator {
            person: person.clone(),
        };
        record_ends(tx, &actor, replaced, SessionEnd::Replaced).await?;
        let session = StoredSession {
            id: SessionId::new(uuid::Uuid::now_v7().to_string()),
            person: person.id.clone(),
            began_at: now,
            used_at: now,
            address: browser.address.clone(),
            browser: browser.name.clone(),
        };
        store::sessions::insert(tx.connection(), &session).await?;
        let (id, hash) = (&session.id, secret.hash());
        store::sessions::add_secret(tx.connection(), id, &hash, now, Timestamp::MAX).await?;
        Ok(NewSecret {
            secret,
            lasts: self.session_limits.longest(),
        })
    }

    /// Deletes the sessions that have ended by their limits.
    pub(super) async fn delete_ended_sessions(&self) -> Result<(), StoreError> {
        let (now, limits) = (Timestamp::now(), &self.session_limits);
        let (began_at, used_at) = (earlier(now, limits.longest()), earlier(now, limits.idle()));
        let mut tx = self.store.write().await?;
        let ended = store::sessions::delete_ended(tx.connection(), began_at, used_at).await?;
        record_ends(&mut tx, &Actor::Server, ended, SessionEnd::Expired).await?;
        tx.commit().await
    }

    /// The sessions of a person, the last used one first.
    pub async fn sessions(
        &self,
        person: &OperatorId,
        current: &SessionId,
    ) -> Result<Vec<OpenSession>, StoreError> {
        let (now, limits) = (Timestamp::now(), &self.session_limits);
        let mut connection = self.store.read().await?;
        let sessions = store::sessions::of_person(&mut connection, person).await?;
        let open = sessions.into_iter().filter(|s| !has_ended(s, limits, now));
        Ok(open
            .map(|session| OpenSession {
                is_current: session.id == *current,
                ends_at: session.began_at + limits.longest(),
                id: session.id,
                began_at: session.began_at,
                used_at: session.used_at,
                address: session.address,
                browser: session.browser,
            })
            .collect())
    }

    /// Ends a session by its own log-out.
    pub async fn log_out(&self, actor: &Actor, id: &SessionId) -> Result<(), StoreError> {
        let mut tx = self.store.write().await?;
        if !store::sessions::delete(tx.connection(), id)
            .await?
            .is_empty()
        {
            tx.audit(actor, AuditEvent::LoggedOut).await?;
            tx.forget_callers();
        }
        tx.commit().await
    }

    /// Ends one session of a person.
    ///
    /// # Errors
    /// [`PeopleError::NotFound`]: the person has no such session.
    pub async fn end_session(
        &self,
        person: &OperatorId,
        actor: &Actor,
        id: &SessionId,
    ) -> Result<(), PeopleError> {
        let mut tx = self.store.write().await?;
        let session = store::sessions::by_id(tx.connection(), id).await?;
        if session.is_none_or(|session| session.person != *person) {
            return Err(PeopleError::NotFound(format!("session {id}")));
        }
        let ended = store::sessions::delete(tx.connection(), id).await?;
        record_ends(&mut tx, actor, ended, SessionEnd::EndedByPerson).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Ends every session of a person except this one.
    pub async fn end_sessions(
        &self,
        person: &OperatorId,
        actor: &Actor,
        except: Option<&SessionId>,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.write().await?;
        let ended = store::sessions::delete_of(tx.connection(), person, except).await?;
        record_ends(&mut tx, actor, ended, SessionEnd::EndedByPerson).await?;
        tx.commit().await
    }
}

/// Whether a secret was used longer after its replacement than a request of the browser itself takes.
fn is_reused(found: &BySecret, now: Timestamp) -> bool {
    found
        .replaced_at
        .is_some_and(|at| at <= earlier(now, GRACE))
}
