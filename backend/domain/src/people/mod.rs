//! People: the first admin, invitations, enrolment and confirmation of keys, log-in.

mod bootstrap;
mod enrolment;
mod error;
mod invitation;
mod login;
mod operator;

pub use error::{LoginError, PeopleError};

use std::sync::Arc;

use countersign_protocol::{cvc::TrustAnchors, id::OperatorId, session::SessionView};

use crate::{
    identity::ServerKey,
    store::{self, Store, StoreError},
};

/// Everything that changes people and their keys. Clones share the same state.
#[derive(Clone)]
pub struct People {
    store: Store,
    identity: Arc<ServerKey>,
    anchors: Arc<TrustAnchors>,
    /// Origin under which browsers see the portal: links and statements name it.
    origin: Arc<str>,
}

impl People {
    pub fn new(
        store: Store,
        identity: Arc<ServerKey>,
        anchors: Arc<TrustAnchors>,
        origin: &str,
    ) -> Self {
        Self {
            store,
            identity,
            anchors,
            origin: origin.into(),
        }
    }

    /// The operator as a session shows them, if their key is confirmed and not revoked.
    pub async fn session(&self, id: &OperatorId) -> Result<Option<SessionView>, StoreError> {
        let mut connection = self.store.read().await?;
        let operator = store::operators::by_id(&mut connection, id).await?;
        Ok(operator
            .filter(store::operators::Operator::is_confirmed)
            .map(|operator| SessionView {
                person: operator.view.person,
                roles: operator.view.roles,
                key: Some(operator.view.key.fingerprint),
            }))
    }

    /// Grows with every change of people and their tokens, and with log-outs.
    pub fn generation(&self) -> u64 {
        self.store.people_generation()
    }

    /// Wakes whenever [`Self::generation`] grows.
    pub fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.store.people_changes()
    }
}
