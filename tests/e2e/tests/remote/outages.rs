//! A hundred files are signed while the connection to the HSM is lost in every way, at random moments.

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
    server::Attachment,
    stage::{Stage, StageSetup},
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

use crate::{
    cable::Cable,
    outage::{NOTICED, Outage, signal},
    say,
};

/// Files to be signed.
const FILES: usize = 100;
/// Clients that sign at the same time.
const CLIENTS: usize = 4;
/// A cable that carries nothing any more, but is not cut.
const SILENCE: Duration = Duration::from_secs(60);

struct World {
    stage: Stage,
    cable: Cable,
    made: HashMap<FileDigest, SignatureView>,
    activations: Vec<ActivationId>,
}

#[test]
fn a_hundred_files_while_the_cable_is_pulled() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut stage = Stage::build(
        StageSetup::remote(folder.path(), Profile::VENDOR)?,
        &mut say,
    )?;
    let cable = Cable::to(stage.setup.server.port)?;
    // From here on through the cable.
    stage.connector = None;
    stage.wait_for_hsm(|hsm| matches!(hsm.state, HsmState::Absent { .. }))?;
    let mut world = World {
        stage,
        cable,
        made: HashMap::new(),
        activations: Vec::new(),
    };
    world.connect()?;
    for outage in [Outage::Killed, Outage::Reset, Outage::Silent] {
        world.sign(Some(outage))?;
    }
    world.sign(None)?;
    world.check()
}

impl World {
    fn connect(&mut self) -> anyhow::Result<()> {
        let Attachment::Remote(connector) = &self.stage.setup.server.hsms[0].attachment else {
            anyhow::bail!("the HSM is a remote one");
        };
        let program = connector.start(&format!("http://{}", self.cable.address))?;
        self.stage.connector = Some(program);
        let hsm = self
            .stage
            .wait_for_hsm(|hsm| hsm.state == HsmState::Locked)?;
        ensure!(
            hsm.pka.is_some_and(|pka| pka.authenticated == 0),
            "it came back open"
        );
        Ok(())
    }

    /// Signs what is not signed yet, until the outage or the end.
    fn sign(&mut self, outage: Option<Outage>) -> anyhow::Result<()> {
        let left: Vec<_> = (0..FILES)
            .map(|number| ManifestFile {
                name: format!("image-{number}"),
                digest: Sha256Digest::of(format!("image {number}").as_bytes()).into(),
            })
            .filter(|file| !self.made.contains_key(&file.digest))
            .collect();
        let digests: Vec<_> = left.iter().map(|file| file.digest.clone()).collect();
        let files = Manifest::new(left)?;
        let id = self.stage.ask(Scope::Manifest { files }, None)?;
        self.activations.push(id.clone());
        self.stage.authenticate(&[0, 2], &id)?;

        let begun = Instant::now();
        let acknowledged = AtomicUsize::new(0);
        let made = Mutex::new(Vec::new());
        // Not the same moment in every run.
        let moment = 3 + std::process::id() as usize % 17;
        let client = &self.stage.requester;
        let connector = self.stage.connector.as_ref().map(|program| program.id());
        let connector = connector.context("the connector runs")?;
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
                                .expect("nobody panicked")
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
            while acknowledged.load(Ordering::SeqCst) < moment {
                ensure!(
                    begun.elapsed() < Duration::from_secs(60),
                    "signing has stopped by itself"
                );
                std::thread::sleep(Duration::from_millis(1));
            }
            lost_at = Some(Instant::now());
            say(&format!(
                "{outage:?} after {} signatures",
                acknowledged.load(Ordering::SeqCst)
            ));
            outage.happen(&self.cable, connector)
        })?;
        for (digest, signature) in made.into_inner().expect("nobody panicked") {
            ensure!(
                self.made.insert(digest, signature).is_none(),
                "acknowledged twice"
            );
        }
        match (outage, lost_at) {
            (Some(outage), Some(lost_at)) => self.after(outage, lost_at, &id, connector),
            _ => {
                let view = self.stage.wait_for(&id, |view| view.state.is_ended())?;
                ensure!(
                    matches!(
                        view.state,
                        ActivationState::Ended {
                            reason: EndReason::Completed,
                            ..
                        }
                    ),
                    "not completed: {:?}",
                    view.state
                );
                Ok(())
            }
        }
    }

    /// The HSM is shown absent, the lease is over, and the HSM comes back locked.
    fn after(
        &mut self,
        outage: Outage,
        lost_at: Instant,
        id: &ActivationId,
        connector: u32,
    ) -> anyhow::Result<()> {
        self.stage
            .wait_for_hsm(|hsm| matches!(hsm.state, HsmState::Absent { .. }))?;
        let noticed = lost_at.elapsed();
        say(&format!(
            "shown absent after {:.1} s",
            noticed.as_secs_f64()
        ));
        if !matches!(outage, Outage::Silent) {
            ensure!(noticed < NOTICED, "{outage:?}: noticed after {noticed:?}");
        }
        let view = self.stage.wait_for(id, |view| view.state.is_ended())?;
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
                self.stage.connector = None;
                self.connect()
            }
            Outage::Reset | Outage::Silent => {
                if matches!(outage, Outage::Silent) {
                    std::thread::sleep(SILENCE.saturating_sub(lost_at.elapsed()));
                }
                signal("CONT", connector)?;
                // By itself.
                self.stage
                    .wait_for_hsm(|hsm| hsm.state == HsmState::Locked)
                    .map(drop)
            }
        }
    }

    /// What was acknowledged is there, and nothing is there twice.
    fn check(&self) -> anyhow::Result<()> {
        ensure!(self.made.len() == FILES, "{} were signed", self.made.len());
        let mut stored = HashMap::new();
        for id in &self.activations {
            let mut digests = HashSet::new();
            for signature in self.stage.requester.signatures(id)? {
                ensure!(
                    digests.insert(signature.digest.clone()),
                    "{id}: a file was signed twice"
                );
                stored.insert(signature.id.clone(), signature);
            }
        }
        for signature in self.made.values() {
            ensure!(
                stored.get(&signature.id) == Some(signature),
                "acknowledged, but lost: {signature:?}"
            );
        }
        say(&format!(
            "{FILES} acknowledged, {} stored in {} activations",
            stored.len(),
            self.activations.len()
        ));
        Ok(())
    }
}
