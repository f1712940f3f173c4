//! Adds and removes signing HSMs together with their coordinators.

use std::sync::Arc;

use countersign_card::pka::ChallengeBehaviour;
use countersign_protocol::{audit::Actor, cvc::TrustAnchors, id::HsmId};

use crate::{
    activation::Activations,
    hsm::{Connector, Hsms, NewHsm},
    store::{self, Store},
};

/// Adds, removes and shuts down HSMs. Clones share the same state.
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

    /// Adds an HSM and starts its thread and coordinator. It can be used once its device is found and proven locked.
    ///
    /// # Errors
    /// The name is taken, the database fails, or the operating system cannot start a thread.
    pub async fn add(&self, id: HsmId, connector: Box<dyn Connector>) -> anyhow::Result<()> {
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
            quarantines: self.hsms.quarantines().clone(),
        })?;
        self.activations.start(hsm, notices);
        Ok(())
    }

    /// Locks and removes an HSM on behalf of this admin.
    pub async fn remove(&self, id: &HsmId, admin: &Actor) {
        self.activations.coordinators().remove(id, admin).await;
        self.hsms.remove(id).await;
    }

    /// Locks every HSM.
    pub async fn shutdown(&self) {
        self.activations.coordinators().shutdown().await;
        self.hsms.shutdown().await;
    }
}
