//! Countersign's whole chain with a simulated card: PKCS#11 module, server, PC/SC, virtual reader.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use countersign_harness::{
    cards,
    custodians::{Custodians, Reaction},
    deployment::{Deployment, DeploymentSetup, EC_KEY, HSM, RSA_KEY},
    pcsc::{Reach, Readers, Speed},
    program::built,
    server::Attachment,
};
use countersign_simulator::Profile;

use crate::{Algorithm, Figures, Measurement, opensc};

/// The server's largest limit, which no measurement reaches.
const SIGNATURE_LIMIT: &str = "100000";

/// A deployment whose signing HSM is in a virtual reader.
pub struct CountersignCard {
    folder: PathBuf,
    cards: [PathBuf; 2],
    /// Dropped before the readers, so that the server ends before pcscd does.
    deployment: Deployment,
    readers: Option<(Readers, Speed)>,
}

impl CountersignCard {
    /// Sets everything up in an empty folder.
    ///
    /// # Errors
    /// Debian's packages are missing, or a program did not start.
    pub fn set_up(folder: &Path) -> anyhow::Result<Self> {
        let hsm = cards::signing_hsm(folder, Profile::VENDOR)?;
        // The virtual reader always has two slots. The second card is not used.
        let other = cards::personal(folder, "Other")?;
        let readers = folder.join("readers");
        let cards = [hsm, other];
        let inserted = insert(&readers, &cards, Speed::Computer)?;
        let mut setup = DeploymentSetup::with_hsm(
            &folder.join("deployment"),
            Attachment::Reader(inserted.name(0)),
        )?;
        setup.server.pcsc_socket = inserted.socket().map(Path::to_owned);
        let deployment = Deployment::build(setup, &mut |_| ())?;
        Ok(Self {
            folder: readers,
            cards,
            deployment,
            readers: Some((inserted, Speed::Computer)),
        })
    }

    /// Runs the load program with the module.
    ///
    /// # Errors
    /// The load program failed; the message quotes its output.
    pub fn measure(&mut self, measurement: &Measurement) -> anyhow::Result<Vec<Figures>> {
        self.set_speed(measurement.speed)?;
        through_module(&self.deployment, measurement)
    }

    /// Restarts readers and server if the card has another speed.
    fn set_speed(&mut self, speed: Speed) -> anyhow::Result<()> {
        if self.readers.as_ref().is_some_and(|(_, now)| *now == speed) {
            return Ok(());
        }
        self.stop_programs()?;
        let readers = insert(&self.folder, &self.cards, speed)?;
        self.deployment.setup.server.pcsc_socket = readers.socket().map(Path::to_owned);
        self.readers = Some((readers, speed));
        self.deployment.restart_server()?;
        self.deployment
            .wait_for_hsm(|hsm| hsm.device.is_some())
            .context("the HSM did not come back")?;
        Ok(())
    }

    /// Stops all programs.
    ///
    /// # Errors
    /// A program ignored SIGTERM.
    pub fn stop(mut self) -> anyhow::Result<()> {
        self.stop_programs()
    }

    fn stop_programs(&mut self) -> anyhow::Result<()> {
        if let Some(server) = self.deployment.server.take() {
            server.program.terminate()?;
        }
        if let Some((readers, _)) = self.readers.take() {
            readers.stop()?;
        }
        Ok(())
    }
}

/// Runs the load program with the module while custodians approve every request.
pub(crate) fn through_module(
    deployment: &Deployment,
    measurement: &Measurement,
) -> anyhow::Result<Vec<Figures>> {
    let key = match measurement.algorithm {
        Algorithm::Ecdsa => EC_KEY,
        Algorithm::RsaPkcs | Algorithm::RsaPss => RSA_KEY,
    };
    let custodians = Custodians::start(deployment, Reaction::Approve(Duration::ZERO));
    let mut load = opensc::load(measurement)?;
    load.arg("--module").arg(built("libcountersign_pkcs11.so")?);
    load.args(["--token-label", HSM, "--key-label", key]);
    load.env("COUNTERSIGN_CONFIG", &deployment.cli_config)
        .env("COUNTERSIGN_REASON", format!("Measurement {measurement:?}"))
        .env("COUNTERSIGN_SIGNATURES", SIGNATURE_LIMIT)
        .env("COUNTERSIGN_LEASE_SECONDS", "7200");
    let figures = opensc::figures(load);
    drop(custodians);
    for view in deployment
        .requester
        .activations(countersign_client::ActivationFilter::Active)?
    {
        deployment.requester.lock(&view.id())?;
    }
    figures
}

fn insert(folder: &Path, cards: &[PathBuf; 2], speed: Speed) -> anyhow::Result<Readers> {
    let [card, other] = cards;
    Readers::start_with(folder, [card, other], Reach::Private, speed)
}
