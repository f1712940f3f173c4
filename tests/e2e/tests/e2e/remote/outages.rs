//! A hundred files are signed while the connection to the HSM is lost in every way, at varying moments.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use countersign_client::IdempotencyKey;
use countersign_harness::{
    deployment::{Deployment, DeploymentSetup},
    server::Attachment,
};
use countersign_protocol::{
    activation::{ActivationState, EndReason},
    digest::Sha256Digest,
    file_digest::FileDigest,
    hsm::HsmState,
    id::ActivationId,
    manifest::{Manifest, ManifestFile},
    mechanism::Mechanism,
    purpose::Scope,
    signature::{SignRequest, SignatureView},
};
use countersign_simulator::Profile;

use super::{
    cable::Cable,
    outage::{NOTICE_LIMIT, Outage, signal},
};
use crate::say;

const FILES: usize = 100;
/// Number of clients that sign at the same time.
const CLIENTS: usize = 4;
/// How long the connection stays silent before it carries data again.
const SILENCE: Duration = Duration::from_secs(60);

/// A deployment whose HSM is attached through a [`Cable`], and what was signed so far.
struct RemoteSigning {
    deployment: Deployment,
    cable: Cable,
    acknowledged: HashMap<FileDigest, SignatureView>,
    activations: Vec<ActivationId>,
}

#[test]
fn a_hundred_files_are_signed_once_each_through_every_outage() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut deployment = Deployment::build(
        DeploymentSetup::remote(folder.path(), Profile::VENDOR)?,
        &mut say,
    )?;
    let cable = Cable::to(deployment.setup.server.port)?;
    // From here on the HSM connects through the cable.
    deployment.connector = None;
    deployment.wait_for_hsm(|hsm| matches!(hsm.state, HsmState::Absent { .. }))?;
    let mut signing = RemoteSigning {
        deployment,
        cable,
        acknowledged: HashMap::new(),
        activations: Vec::new(),
    };
    signing.connect()?;
    for outage in [Outage::Killed, Outage::Reset, Outage::Silent] {
        signing.sign(Some(outage))?;
    }
    signing.sign(None)?;
    signing.check()
}

impl RemoteSigning {
    fn connect(&mut self) -> anyhow::Result<()> {
        let Attachment::Remote(connector) = &self.deployment.setup.server.hsms[0].attachment else {
            anyhow::bail!("the HSM is not remote");
        };
        let program = connector.start(&format!("http://{}", self.cable.address))?;
        self.deployment.connector = Some(program);
        let hsm = self
            .deployment
            .wait_for_hsm(|hsm| hsm.state == HsmState::Locked)?;
        ensure!(
            hsm.pka.is_some_and(|pka| pka.authenticated == 0),
            "the HSM came back with authenticated custodians"
        );
        Ok(())
    }

    /// Signs the files that are not signed yet, until the outage or the end.
    fn sign(&mut self, outage: Option<Outage>) -> anyhow::Result<()> {
        let left: Vec<_> = (0..FILES)
            .map(|number| ManifestFile {
                name: format!("image-{number}"),
                digest: Sha256Digest::of(format!("image {number}").as_bytes()).into(),
            })
            .filter(|file| !self.acknowledged.contains_key(&file.digest))
            .collect();
        let digests: Vec<_> = left.iter().map(|file| file.digest.clone()).collect();
        let files = Manifest::new(left)?;
        let id = self.deployment.request(Scope::Manifest { files }, None)?;
        self.activations.push(id.clone());
        self.deployment
            .approve(&id, [self.deployment.anna(), self.deployment.carla()])?;

        let begun = Instant::now();
        let acknowledged = AtomicUsize::new(0);
        let made = Mutex::new(Vec::new());
        // The moment differs from run to run.
        let outage_after = 3 + std::process::id() as usize % 17;
        let client = &self.deployment.requester;
        let connector = self
            .deployment
            .connector
            .as_ref()
            .map(|program| program.id());
        let connector = connector.context("the connector is not running")?;
        let mut lost_at = None;
        std::thread::scope(|scope| -> anyhow::Result<()> {
            for part in digests.chunks(digests.len().div_ceil(CLIENTS)) {
                let (acknowledged, made, id) = (&acknowledged, &made, &id);
                scope.spawn(move || {
                    for digest in part {
                        let request =
                            SignRequest::new(Mechanism::EcdsaSha256, digest.as_bytes().to_vec());
                        let result = client.sign_as(id, &request, &IdempotencyKey::new());
                        if let Ok(signature) = result {
                            acknowledged.fetch_add(1, Ordering::SeqCst);
                            made.lock()
                                .expect("no thread panicked")
                                .push((digest.clone(), signature));
                        } else {
                            return;
                        }
                    }
                });
            }
            let Some(outage) = outage else {
                return Ok(());
            };
            while acknowledged.load(Ordering::SeqCst) < outage_after {
                ensure!(
                    begun.elapsed() < Duration::from_secs(60),
                    "no signature was acknowledged for 60 s"
                );
                std::thread::sleep(Duration::from_millis(1));
            }
            lost_at = Some(Instant::now());
            say(&format!(
                "{outage:?} after {} signatures",
                acknowledged.load(Ordering::SeqCst)
            ));
            outage.cause(&self.cable, connector)
        })?;
        for (digest, signature) in made.into_inner().expect("no thread panicked") {
            ensure!(
                self.acknowledged.insert(digest, signature).is_none(),
                "a file was acknowledged twice"
            );
        }
        match (outage, lost_at) {
            (Some(outage), Some(lost_at)) => self.recover(outage, lost_at, &id, connector),
            _ => {
                let view = self
                    .deployment
                    .wait_for_activation(&id, |view| view.state.is_ended())?;
                ensure!(
                    matches!(
                        view.state,
                        ActivationState::Ended {
                            reason: EndReason::Completed,
                            ..
                        }
                    ),
                    "the activation did not complete: {:?}",
                    view.state
                );
                Ok(())
            }
        }
    }

    /// Checks that the HSM is shown as absent and the activation ends, and that the HSM comes back locked.
    fn recover(
        &mut self,
        outage: Outage,
        lost_at: Instant,
        id: &ActivationId,
        connector: u32,
    ) -> anyhow::Result<()> {
        self.deployment
            .wait_for_hsm(|hsm| matches!(hsm.state, HsmState::Absent { .. }))?;
        let noticed = lost_at.elapsed();
        say(&format!(
            "the HSM was shown as absent after {:.1} s",
            noticed.as_secs_f64()
        ));
        if !matches!(outage, Outage::Silent) {
            ensure!(
                noticed < NOTICE_LIMIT,
                "{outage:?}: noticed after {noticed:?}"
            );
        }
        let view = self
            .deployment
            .wait_for_activation(id, |view| view.state.is_ended())?;
        ensure!(
            matches!(
                view.state,
                ActivationState::Ended {
                    reason: EndReason::HsmLost { .. },
                    ..
                }
            ),
            "{outage:?}: {:?}",
            view.state
        );
        match outage {
            Outage::Killed => {
                self.deployment.connector = None;
                self.connect()
            }
            Outage::Reset | Outage::Silent => {
                if matches!(outage, Outage::Silent) {
                    std::thread::sleep(SILENCE.saturating_sub(lost_at.elapsed()));
                }
                signal("CONT", connector)?;
                // The connector reconnects automatically.
                self.deployment
                    .wait_for_hsm(|hsm| hsm.state == HsmState::Locked)
                    .map(drop)
            }
        }
    }

    /// Checks that every acknowledged signature is stored and that no activation signed a file twice.
    fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.acknowledged.len() == FILES,
            "{} files were signed",
            self.acknowledged.len()
        );
        let mut stored = HashMap::new();
        for id in &self.activations {
            let mut digests = HashSet::new();
            for signature in self.deployment.requester.signatures(id)? {
                ensure!(
                    digests.insert(signature.digest.clone()),
                    "{id}: a file was signed twice"
                );
                stored.insert(signature.id.clone(), signature);
            }
        }
        for signature in self.acknowledged.values() {
            ensure!(
                stored.get(&signature.id) == Some(signature),
                "an acknowledged signature was lost: {signature:?}"
            );
        }
        say(&format!(
            "{FILES} signatures were acknowledged; {} are stored in {} activations",
            stored.len(),
            self.activations.len()
        ));
        Ok(())
    }
}
