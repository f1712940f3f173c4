//! Views for clients and the portal, built from stored rows and the HSMs' snapshots. This module changes nothing.

mod activation;
mod announcer;
mod hsm;
mod listeners;
mod lists;
mod receipt;
mod signatures;

pub use announcer::{Announcement, Announcements, Subscription, announce};
pub use listeners::{TooManyListeners, Who};

use std::{path::Path, sync::Arc};

use countersign_protocol::{
    activation::ActivationTerms, hsm::HsmState, hsm::HsmView, id::ActivationId,
};
use tokio::sync::Semaphore;

use crate::{
    activation::OpenLeases,
    hsm::Hsms,
    identity::ServerKey,
    store::{self, Store, StoreError},
};

/// Builds views. Clones share the same state.
#[derive(Clone)]
pub struct Views {
    store: Store,
    hsms: Hsms,
    leases: OpenLeases,
    identity: Arc<ServerKey>,
    /// Origin under which browsers open the portal. Links name it.
    origin: Arc<str>,
    /// Folder for temporary files.
    folder: Arc<Path>,
    /// Limits the number of receipts that are prepared at the same time.
    receipts: Arc<Semaphore>,
}

/// Number of receipts that are prepared at the same time. Others wait.
const RECEIPTS_AT_ONCE: usize = 2;

impl Views {
    pub fn new(
        store: Store,
        hsms: Hsms,
        leases: OpenLeases,
        identity: Arc<ServerKey>,
        origin: &str,
        folder: &Path,
    ) -> Self {
        Self {
            store,
            hsms,
            leases,
            identity,
            origin: origin.into(),
            folder: folder.into(),
            receipts: Arc::new(Semaphore::new(RECEIPTS_AT_ONCE)),
        }
    }

    /// Origin under which browsers open the portal.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    pub fn hsms(&self) -> &Hsms {
        &self.hsms
    }

    /// Removes the activation from an HSM's state, unless `sees` accepts its terms.
    pub async fn hide_activation(
        &self,
        hsm: &mut HsmView,
        sees: impl Fn(&ActivationTerms) -> bool,
    ) -> Result<(), StoreError> {
        let (HsmState::AwaitingApprovals { activation } | HsmState::Open { activation, .. }) =
            &mut hsm.state
        else {
            return Ok(());
        };
        let Some(id) = activation else {
            return Ok(());
        };
        let mut connection = self.store.read().await?;
        let members = store::summaries::members(&mut connection, id).await?;
        if !members
            .first()
            .is_some_and(|first| sees(&first.activation.terms))
        {
            *activation = None;
        }
        Ok(())
    }

    /// The terms of an activation, if it exists.
    pub async fn terms(&self, id: &ActivationId) -> Result<Option<ActivationTerms>, StoreError> {
        let mut connection = self.store.read().await?;
        let found = store::activations::by_id(&mut connection, &id.member(0)).await?;
        Ok(found.map(|activation| activation.terms))
    }
}
