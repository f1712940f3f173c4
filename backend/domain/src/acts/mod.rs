//! Acts: changes that lower a guard, which people's cards sign. Nothing here is done on a session alone: the services that make
//! these changes need a [`crate::mandate::Mandate`], and only this module creates one.

mod end;
mod error;
mod facts;
mod propose;
mod sign;
mod signers;

pub use error::ActError;
pub use sign::Signed;

use std::{num::NonZeroU32, path::Path, sync::Arc, time::Duration};

use countersign_protocol::{
    act::ActView,
    cvc::Fingerprint,
    dsse::Envelope,
    id::{ActId, OperatorId},
    limits::TASK_SECONDS,
    operator::Person,
    task::{ActTask, Task},
};
use sqlx::SqliteConnection;

use crate::{
    activation::Activations,
    devices::Devices,
    hsm::Hsms,
    identity::ServerKey,
    keys::Keys,
    people::People,
    store::{self, Store, acts::StoredAct},
    throttle::Throttle,
    tokens::Tokens,
};

/// The number of acts that one person may propose at once, and the time after which one more is possible. Each leaves entries in
/// the audit log.
const PROPOSALS: NonZeroU32 = NonZeroU32::MIN.saturating_add(119);
const PROPOSAL_PERIOD: Duration = Duration::from_secs(20);

/// The services that carry out acts.
#[derive(Clone)]
pub struct Services {
    pub people: People,
    pub tokens: Tokens,
    pub keys: Keys,
    pub hsms: Hsms,
    pub activations: Activations,
    pub devices: Devices,
}

/// Proposes, signs and carries out acts. Clones share the same state.
#[derive(Clone)]
pub struct Acts {
    store: Store,
    identity: Arc<ServerKey>,
    services: Services,
    /// The server's data directory, in which SO-PINs are deposited.
    data_dir: Arc<Path>,
    proposals: Arc<Throttle<OperatorId>>,
}

/// A person who is logged in with their card.
#[derive(Clone, Debug)]
pub struct Signer {
    pub person: Person,
    pub key: Fingerprint,
}

impl Acts {
    pub fn new(
        store: Store,
        identity: Arc<ServerKey>,
        services: Services,
        data_dir: &Path,
    ) -> Self {
        Self {
            store,
            identity,
            services,
            data_dir: data_dir.into(),
            proposals: Arc::new(Throttle::new(PROPOSALS, PROPOSAL_PERIOD)),
        }
    }

    /// Acts that await signatures, oldest first, and then those that ended lately.
    pub async fn list(&self) -> Result<Vec<ActView>, ActError> {
        let mut connection = self.store.read().await?;
        let mut acts = store::acts::unended(&mut connection).await?;
        acts.extend(store::acts::ended(&mut connection).await?);
        acts.sort_by_key(|act| act.view.state.has_ended());
        Ok(acts.into_iter().map(|act| act.view).collect())
    }

    pub async fn get(&self, id: &ActId) -> Result<ActView, ActError> {
        let mut connection = self.store.read().await?;
        Ok(load(&mut connection, id).await?.view)
    }

    /// Creates the task for the helper of a person who can sign.
    ///
    /// # Errors
    /// The act has ended, or the person cannot sign it.
    pub async fn task(&self, signer: &Signer, id: &ActId) -> Result<Envelope, ActError> {
        let mut connection = self.store.read().await?;
        let act = load(&mut connection, id).await?;
        signers::check(&mut connection, &act, signer).await?;
        self.task_for(&act, signer)
    }

    fn task_for(&self, act: &StoredAct, signer: &Signer) -> Result<Envelope, ActError> {
        let names = act.view.signed_by.iter();
        let task = ActTask {
            terms: act.terms().clone(),
            key: signer.key,
            signed_by: names.map(|by| by.person.name.clone()).collect(),
        };
        Ok(self
            .identity
            .task(Task::SignAct(Box::new(task)), TASK_SECONDS)?)
    }
}

async fn load(connection: &mut SqliteConnection, id: &ActId) -> Result<StoredAct, ActError> {
    store::acts::by_id(connection, id)
        .await?
        .ok_or_else(|| ActError::NotFound(id.clone()))
}
