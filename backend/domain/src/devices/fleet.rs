//! The signing HSMs together with their coordinators.

use std::sync::Arc;

use countersign_card::pka::ChallengeBehaviour;
use countersign_protocol::{audit::Actor, cvc::TrustAnchors, id::HsmId};

use crate::{
    activation::Activations,
    hsm::{Connector, Hsms, NewHsm},
    store::{self, Store},
};

/// Offers HSMs and withdraws them. Clones share the same state.
#[derive(Clone)]
pub struct Fleet {
    store: Store,
    anchors: Arc<TrustAnchors>,
    hsms: Hsms,
    activations: Activations,
}

impl Fleet {
    pub fn new(
        store: Store,
        anchors: Arc<TrustAnchors>,
        hsms: Hsms,
        activations: Activations,
    ) -> Self {
        Self {
            store,
            anchors,
            hsms,
            activations,
        }
    }

    pub fn hsms(&self) -> &Hsms {
        &self.hsms
    }

    /// Offers an HSM as soon as it was found locked.
    ///
    /// # Errors
    /// The name is taken, the database fails, or the operating system cannot start a thread.
    pub async fn offer(&self, id: HsmId, connector: Box<dyn Connector>) -> anyhow::Result<()> {
        let mut connection = self.store.read().await?;
        let known = store::hsms::known_device(&mut connection, &id).await?;
        drop(connection);
        let named = connector.device().cloned();
        let behaviour = match &known {
            Some(known) if named.as_ref().is_none_or(|named| *named == known.device) => {
                known.behaviour
            }
            _ => ChallengeBehaviour::Unknown,
        };
        let (hsm, notices) = self.hsms.add(NewHsm {
            id,
            connector,
            anchors: self.anchors.clone(),
            expected: named.or(known.map(|known| known.device)),
            behaviour,
        })?;
        self.activations.start(hsm, notices);
        Ok(())
    }

    /// Locks an HSM that this admin removed, and forgets it.
    pub async fn withdraw(&self, id: &HsmId, admin: &Actor) {
        self.activations.coordinators().remove(id, admin).await;
        self.hsms.remove(id).await;
    }

    /// Locks every HSM.
    pub async fn shutdown(&self) {
        self.activations.coordinators().shutdown().await;
        self.hsms.shutdown().await;
    }
}
