//! People: the first admin, invitations, enrolment and confirmation of keys, and log-in.

mod bootstrap;
mod challenges;
mod enrolment;
mod error;
mod invitation;
mod login;
mod operator;
#[cfg(test)]
mod tests;

pub use error::{CodeError, LoginError, PeopleError};

use std::{num::NonZeroU32, path::Path, sync::Arc, time::Duration};

use countersign_protocol::{
    cvc::{Fingerprint, TrustAnchors},
    id::{InvitationId, OperatorId},
    session::SessionView,
};

use self::challenges::Challenges;
use crate::{
    identity::ServerKey,
    random::RandomError,
    store::{self, Store, StoreError},
    throttle::Throttle,
};

/// Changes people and their keys. Clones share the same state.
#[derive(Clone)]
pub struct People {
    store: Store,
    identity: Arc<ServerKey>,
    anchors: Arc<TrustAnchors>,
    /// Origin under which browsers open the portal. Links and statements name it.
    origin: Arc<str>,
    challenges: Arc<Challenges>,
    /// File for the code of the first admin.
    code_file: Arc<Path>,
    /// Limits the log-ins with each key.
    log_ins: Arc<Throttle<Fingerprint>>,
    /// Limits the rejected enrolments with each invitation, because each of them has an audit entry.
    rejections: Arc<Throttle<InvitationId>>,
}

/// Name of the file for the code of the first admin.
const CODE_FILE: &str = "bootstrap-code";
/// Number of log-ins with one key at once, and the time after which one more is possible.
const LOG_INS: NonZeroU32 = NonZeroU32::MIN.saturating_add(29);
const LOG_IN_PERIOD: Duration = Duration::from_secs(10);
/// Number of rejected enrolments with one invitation at once, and the time after which one more has an audit entry.
const REJECTIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);
const REJECTION_PERIOD: Duration = Duration::from_secs(60);

impl People {
    pub fn new(
        store: Store,
        identity: Arc<ServerKey>,
        anchors: Arc<TrustAnchors>,
        origin: &str,
        folder: &Path,
    ) -> Result<Self, RandomError> {
        Ok(Self {
            store,
            identity,
            anchors,
            origin: origin.into(),
            code_file: folder.join(CODE_FILE).into(),
            challenges: Arc::new(Challenges::new()?),
            log_ins: Arc::new(Throttle::new(LOG_INS, LOG_IN_PERIOD)),
            rejections: Arc::new(Throttle::new(REJECTIONS, REJECTION_PERIOD)),
        })
    }

    /// The operator's session view, unless their key is unconfirmed or revoked.
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

    /// A counter that grows with every change of people and their tokens, and with log-outs. A cached look-up is valid while the
    /// counter is unchanged.
    pub fn generation(&self) -> u64 {
        self.store.people_generation()
    }

    /// Receives each new value of [`Self::generation`].
    pub fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.store.people_changes()
    }
}
