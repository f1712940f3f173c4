//! The composition root, which creates every service and connects them.

mod anchors;
mod connectors;
mod data_dir;
mod identity;
mod logging;
mod serve;

#[cfg(feature = "simulator")]
pub use connectors::SimulatorConnector;
pub use data_dir::{DATABASE, make_data_dir};
pub use logging::init as init_logging;
pub use serve::{print_bootstrap_code, serve};

use std::{collections::BTreeMap, sync::Arc};

use countersign_protocol::{
    audit::{Actor, AuditEvent},
    cvc::TrustAnchors,
    id::HsmId,
};

use crate::{
    activation::{Activations, recover_after_restart},
    acts::{self, Acts},
    clock::Clock,
    config::Config,
    devices::{Devices, Fleet},
    events::Changes,
    hsm::{Connector, Hsms},
    http,
    identity::ServerKey,
    keys::Keys,
    people::People,
    refusals::Refusals,
    remote::{RamSession, Remote},
    signing::Signing,
    store::{self, Store},
    tokens::Tokens,
    views::{Announcements, Views, announce},
};

/// The running server. Clones share the same services.
#[derive(Clone)]
pub struct Server {
    pub config: Arc<Config>,
    pub store: Store,
    pub changes: Changes,
    pub identity: Arc<ServerKey>,
    pub anchors: Arc<TrustAnchors>,
    pub hsms: Hsms,
    pub people: People,
    /// Logs what is refused.
    pub refusals: Refusals,
    pub tokens: Tokens,
    pub keys: Keys,
    pub activations: Activations,
    pub signing: Signing,
    /// The adapter of remote HSMs.
    pub remote: Remote,
    pub fleet: Fleet,
    pub devices: Devices,
    pub acts: Acts,
    pub views: Views,
    pub announcements: Announcements,
}

impl Server {
    /// Opens the database and the identity key; attaches no HSM.
    ///
    /// # Errors
    /// The configuration is invalid, or a file in the data directory is missing or damaged.
    pub async fn open(config: Config) -> anyhow::Result<Self> {
        Self::open_with_clock(config, Clock::system()).await
    }

    /// Does the same as [`Self::open`] with this wall clock.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub async fn open_with_clock(config: Config, clock: Clock) -> anyhow::Result<Self> {
        config.check()?;
        let folder = &config.data_dir;
        make_data_dir(folder)?;
        let changes = Changes::default();
        identity::check_database_exists(folder)?;
        let store = Store::open(&folder.join(DATABASE), changes.clone()).await?;
        let identity = Arc::new(identity::load(&config, &store).await?);
        let anchors = Arc::new(anchors::anchors(&config)?);
        let remote = Remote::open(&config.remote)?;
        let (hsms, refusals) = (Hsms::default(), Refusals::new(store.clone()));
        let people = People::new(
            store.clone(),
            identity.clone(),
            anchors.clone(),
            &config.public_origin,
            folder,
            config.session,
        )?;
        let activations = Activations::new(
            store.clone(),
            identity.clone(),
            anchors.clone(),
            hsms.clone(),
            config.lease,
            clock,
        );
        let fleet = Fleet::new(
            store.clone(),
            anchors.clone(),
            hsms.clone(),
            activations.clone(),
        );
        let devices = Devices::new(
            store.clone(),
            refusals.clone(),
            remote.clone(),
            anchors.clone(),
            fleet.clone(),
            config.remote.unknown,
            &config.name,
        );
        let views = Views::new(
            store.clone(),
            hsms.clone(),
            activations.leases().clone(),
            identity.clone(),
            &config.public_origin,
            folder,
        );
        let services = acts::Services {
            people,
            tokens: Tokens::new(store.clone()),
            keys: Keys::new(store.clone(), hsms.clone()),
            hsms: hsms.clone(),
            activations: activations.clone(),
            devices: devices.clone(),
        };
        Ok(Self {
            people: services.people.clone(),
            tokens: services.tokens.clone(),
            keys: services.keys.clone(),
            acts: Acts::new(store.clone(), identity.clone(), services, folder),
            announcements: announce(views.clone(), &changes),
            signing: Signing::start(store.clone(), &activations)?,
            config: Arc::new(config),
            store,
            changes,
            identity,
            anchors,
            hsms,
            refusals,
            activations,
            remote,
            fleet,
            devices,
            views,
        })
    }

    /// Ends the activations that an earlier run left open, then attaches the configured HSMs. Each HSM is locked before activations
    /// can use it.
    ///
    /// # Errors
    /// The database fails, or an HSM cannot be attached.
    pub async fn start(&self) -> anyhow::Result<()> {
        self.start_with(connectors::connectors(&self.config, &self.remote))
            .await
    }

    /// Does the same as [`Self::start`] with these connectors instead of the configured ones.
    ///
    /// # Errors
    /// The database fails, or an HSM cannot be attached.
    pub async fn start_with(
        &self,
        connectors: BTreeMap<HsmId, Box<dyn Connector>>,
    ) -> anyhow::Result<()> {
        let started = AuditEvent::ServerStarted {
            version: env!("CARGO_PKG_VERSION").into(),
        };
        let mut tx = self.store.write().await?;
        tx.audit(&Actor::Server, started).await?;
        let accepted = store::remote::list(tx.connection()).await?;
        for (device, quarantine) in store::quarantines::list(tx.connection()).await? {
            self.hsms.quarantines().add(device, quarantine);
        }
        tx.commit().await?;
        let is_here = |hsm: &HsmId| {
            self.config.hsms.iter().any(|here| here.id == *hsm)
                || accepted.iter().any(|here| here.hsm == *hsm)
        };
        recover_after_restart(&self.store, is_here).await?;
        self.acts.recover().await?;
        for (id, connector) in connectors {
            self.fleet.add(id, connector).await?;
        }
        self.refusals.keep_logging();
        self.devices.start().await
    }

    /// Creates the state that HTTP handlers share.
    #[must_use]
    pub fn http_state(&self) -> http::State {
        let https = self.config.is_https();
        let devices = self.devices.clone();
        let receive = move |session: &Arc<RamSession>| devices.receive(session);
        http::State::from(http::Services {
            auth: http::Authenticator::new(self.people.clone(), self.tokens.clone(), https),
            ram: http::RamEndpoint::new(self.remote.clone(), https, receive),
            config: self.config.clone(),
            identity: self.identity.clone(),
            changes: self.changes.clone(),
            announcements: self.announcements.clone(),
            hsms: self.hsms.clone(),
            people: self.people.clone(),
            acts: self.acts.clone(),
            refusals: self.refusals.clone(),
            tokens: self.tokens.clone(),
            keys: self.keys.clone(),
            activations: self.activations.clone(),
            signing: self.signing.clone(),
            devices: self.devices.clone(),
            views: self.views.clone(),
        })
    }

    /// Locks every HSM, then logs the refusals that were only counted.
    pub async fn shutdown(&self) {
        self.fleet.shutdown().await;
        self.refusals.log_all_counts().await;
    }
}
