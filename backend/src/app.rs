//! What every part of the server shares.

use std::{
    collections::BTreeMap, fs::DirBuilder, os::unix::fs::DirBuilderExt, path::Path, sync::Arc,
};

use anyhow::Context;
use countersign_protocol::{
    audit::{Actor, AuditEvent},
    cvc::{AnchorKind, TrustAnchor, TrustAnchors},
    id::HsmId,
};

use crate::{
    activation::Activations,
    config::Config,
    events::EventBus,
    hsm::{Connector, Registry},
    http::Callers,
    identity::ServerKey,
    remote::Remote,
    signing::writer::Writer,
    store::Store,
};

/// File of the database inside the data folder.
pub const DATABASE: &str = "countersign.db";

/// The running server.
#[derive(Clone)]
pub struct App {
    /// Configuration.
    pub config: Arc<Config>,
    /// Database.
    pub store: Store,
    /// Identity key.
    pub identity: Arc<ServerKey>,
    /// Trust anchors.
    pub anchors: Arc<TrustAnchors>,
    /// Live events.
    pub events: EventBus,
    /// Signing HSMs.
    pub hsms: Registry,
    /// Activations.
    pub activations: Activations,
    /// Reservations and records of signatures.
    pub signatures: Writer,
    /// HSMs that are attached from afar.
    pub remote: Remote,
    /// Callers that were looked up a moment ago.
    pub callers: Callers,
}

impl App {
    /// Opens the database and the identity key; attaches no HSM.
    ///
    /// # Errors
    /// Whatever is missing or damaged.
    pub async fn open(config: Config) -> anyhow::Result<Self> {
        config.check()?;
        let folder = &config.data_dir;
        make_data_dir(folder)?;
        let events = EventBus::default();
        let store = Store::open(&folder.join(DATABASE), events.clone()).await?;
        let identity = ServerKey::load_or_create(folder, &config.name, &config.public_origin)?;
        let anchors = anchors(&config)?;
        let remote = Remote::open(&config.remote)?;
        Ok(Self {
            config: Arc::new(config),
            signatures: Writer::start(store.clone())?,
            callers: Callers::default(),
            remote,
            store,
            identity: Arc::new(identity),
            anchors: Arc::new(anchors),
            events,
            hsms: Registry::default(),
            activations: Activations::default(),
        })
    }

    /// Ends what a former run left open, then attaches the configured HSMs: every one is locked before it is offered.
    ///
    /// # Errors
    /// The database's.
    pub async fn start(&self) -> anyhow::Result<()> {
        self.start_with(Registry::connectors(&self.config, &self.remote))
            .await
    }

    /// As [`Self::start`], with HSMs that are attached in another way than the configuration says.
    ///
    /// # Errors
    /// The database's.
    pub async fn start_with(
        &self,
        connectors: BTreeMap<HsmId, Box<dyn Connector>>,
    ) -> anyhow::Result<()> {
        let mut tx = self.store.write().await?;
        tx.audit(
            &Actor::Server,
            AuditEvent::ServerStarted {
                version: env!("CARGO_PKG_VERSION").into(),
            },
        )
        .await?;
        tx.commit().await?;
        crate::activation::recover_after_restart(self).await?;
        for (id, connector) in connectors {
            self.attach(id, connector).await?;
        }
        crate::remote::start(self).await
    }

    /// Offers an HSM, as soon as it was found locked.
    ///
    /// # Errors
    /// There is one of that name, or the database's.
    pub async fn attach(&self, id: HsmId, connector: Box<dyn Connector>) -> anyhow::Result<()> {
        let (hsm, notices) = self.hsms.add(self, id, connector).await?;
        self.activations.start(self, hsm, notices);
        Ok(())
    }

    /// Locks an HSM that this admin withdrew, and forgets it.
    pub async fn detach(&self, id: &HsmId, admin: &Actor) {
        self.activations.stop(id, admin).await;
        self.hsms.remove(id).await;
    }

    /// Locks every HSM.
    pub async fn shutdown(&self) {
        self.activations.shutdown().await;
        self.hsms.shutdown().await;
    }
}

/// Makes the data folder, for the server's user only.
///
/// # Errors
/// File system's.
pub fn make_data_dir(folder: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot make the data folder {}", folder.display()))
}

fn anchors(config: &Config) -> anyhow::Result<TrustAnchors> {
    let mut anchors = TrustAnchors::production();
    if config.cardcontact_test_root {
        anchors = anchors.with_test();
    }
    for anchor in &config.anchors {
        let data = std::fs::read(&anchor.file)
            .with_context(|| format!("cannot read the trust anchor {}", anchor.file.display()))?;
        let anchor = TrustAnchor::from_certificate(&anchor.name, AnchorKind::Configured, &data)
            .with_context(|| format!("{} is no trust anchor", anchor.file.display()))?;
        anchors = anchors.with(anchor)?;
    }
    #[cfg(feature = "simulator")]
    if config.demo {
        anchors = anchors.with_simulated(countersign_simulator::simulated_anchor()?)?;
    }
    Ok(anchors)
}
