//! Files are signed by a pool of two HSMs while one of them is lost in every way, at random moments: no request is.

use std::{
    collections::HashSet,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, ensure};
use countersign_client::IdempotencyKey;
use countersign_e2e::crash::audit;
use countersign_harness::{
    pool::{self, Pool},
    stage::{EC_KEY, wait},
};
use countersign_protocol::{
    activation::{ActivationState, ActivationView, EndReason},
    audit::AuditEvent,
    digest::Sha256Digest,
    hsm::{HsmState, HsmView},
    id::ActivationId,
    manifest::{Manifest, ManifestFile},
    mechanism::Mechanism,
    purpose::Scope,
    signature::{SignRequest, SignatureView},
};

use crate::{
    cable::Cable,
    outage::{NOTICED, Outage, signal},
    say,
};

/// Files of one round.
const FILES: usize = 60;
/// Clients that sign at the same time.
const CLIENTS: usize = 8;
/// Acknowledged signatures before the outage: so many at least, and up to as many more.
const MOMENT: usize = 20;
/// The HSM that is lost.
const BROKEN: usize = 1;

/// A request, and what came of it.
struct Made {
    request: SignRequest,
    key: IdempotencyKey,
    signature: SignatureView,
}

struct World {
    pool: Pool,
    cable: Cable,
}

#[test]
fn an_hsm_of_a_pool_is_lost_and_no_request_is() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut pool = Pool::build(folder.path(), 2)?;
    let cable = Cable::to(pool.stage.setup.server.port)?;
    // From here on through the cable.
    pool.others.clear();
    let mut world = World { pool, cable };
    world.wait_for_broken(is_absent)?;
    world.attach()?;
    for outage in [Outage::Killed, Outage::Reset, Outage::Silent] {
        let id = world.open(outage)?;
        let made = world.sign(&id, outage)?;
        world.check(&id, &made)?;
        world.repair(outage)?;
    }
    world.pool.stop()
}

fn is_absent(hsm: &HsmView) -> bool {
    matches!(hsm.state, HsmState::Absent { .. })
}

fn file(outage: Outage, number: usize) -> ManifestFile {
    let name = format!("{outage:?} {number}");
    ManifestFile {
        digest: Sha256Digest::of(name.as_bytes()).into(),
        name,
    }
}

impl World {
    /// The program that attaches the HSM which is lost.
    fn connector(&self) -> anyhow::Result<u32> {
        let program = self.pool.others.first();
        Ok(program.context("the HSM is attached")?.id())
    }

    fn wait_for_broken(&self, wanted: impl Fn(&HsmView) -> bool) -> anyhow::Result<HsmView> {
        let admin = &self.pool.stage.people[0].browser;
        wait(|| Ok(Some(admin.hsm(&pool::name(BROKEN))?).filter(&wanted)))
    }

    /// Whatever happened: the card is asked, and counts nobody.
    fn comes_back_locked(&self) -> anyhow::Result<()> {
        let hsm = self.wait_for_broken(|hsm| hsm.state == HsmState::Locked)?;
        ensure!(
            hsm.pka.is_some_and(|pka| pka.authenticated == 0),
            "it came back open"
        );
        Ok(())
    }

    fn attach(&mut self) -> anyhow::Result<()> {
        let server = format!("http://{}", self.cable.address);
        let program = self.pool.connectors[BROKEN].start(&server)?;
        self.pool.others.push(program);
        self.comes_back_locked()
    }

    /// Asks for files, and lets two custodians open both HSMs.
    fn open(&self, outage: Outage) -> anyhow::Result<ActivationId> {
        let stage = &self.pool.stage;
        let files = Manifest::new((0..FILES).map(|number| file(outage, number)).collect())?;
        let id = stage.ask(Scope::Manifest { files }, None)?;
        let all = |view: &ActivationView, wanted: fn(&ActivationState) -> bool| {
            view.members.len() == 2 && view.members.iter().all(|member| wanted(&member.state))
        };
        stage.wait_for(&id, |view| {
            all(view, |state| *state == ActivationState::Collecting)
        })?;
        let view = stage.authenticate(&[0, 2], &id)?;
        ensure!(
            all(&view, |state| matches!(state, ActivationState::Open { .. })),
            "not open everywhere: {:?}",
            view.members
        );
        Ok(id)
    }

    /// Signs every file, with an outage at some moment; no request fails.
    fn sign(&self, id: &ActivationId, outage: Outage) -> anyhow::Result<Vec<Made>> {
        let client = &self.pool.stage.requester;
        let connector = self.connector()?;
        let next = AtomicUsize::new(0);
        let acknowledged = AtomicUsize::new(0);
        let made = Mutex::new(Vec::new());
        // Not the same moment in every run.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let moment = MOMENT + now.subsec_micros() as usize % MOMENT;
        std::thread::scope(|scope| -> anyhow::Result<()> {
            let workers: Vec<_> = (0..CLIENTS)
                .map(|_| {
                    scope.spawn(|| -> anyhow::Result<()> {
                        loop {
                            let number = next.fetch_add(1, Ordering::SeqCst);
                            if number >= FILES {
                                return Ok(());
                            }
                            let digest = file(outage, number).digest.as_bytes().to_vec();
                            let request = SignRequest::new(Mechanism::EcdsaSha256, digest);
                            let key = IdempotencyKey::new();
                            let signature = client
                                .sign_as(id, &request, &key)
                                .with_context(|| format!("{outage:?}: file {number}"))?;
                            acknowledged.fetch_add(1, Ordering::SeqCst);
                            made.lock().expect("nobody panicked").push(Made {
                                request,
                                key,
                                signature,
                            });
                        }
                    })
                })
                .collect();
            while acknowledged.load(Ordering::SeqCst) < moment {
                ensure!(
                    !workers.iter().any(|worker| worker.is_finished()),
                    "signing has stopped by itself"
                );
                std::thread::sleep(Duration::from_millis(1));
            }
            say(&format!("{outage:?} after {moment} signatures"));
            let lost_at = Instant::now();
            outage.happen(&self.cable, connector)?;
            self.wait_for_broken(is_absent)?;
            let noticed = lost_at.elapsed();
            say(&format!(
                "shown absent after {:.1} s",
                noticed.as_secs_f64()
            ));
            ensure!(
                outage == Outage::Silent || noticed < NOTICED,
                "{outage:?}: noticed after {noticed:?}"
            );
            for worker in workers {
                worker.join().expect("nobody panicked")?;
            }
            Ok(())
        })?;
        Ok(made.into_inner().expect("nobody panicked"))
    }

    /// One valid signature for each request, on record once; one HSM completed the work, the other one was lost.
    fn check(&self, id: &ActivationId, made: &[Made]) -> anyhow::Result<()> {
        let stage = &self.pool.stage;
        let keys = stage.requester.keys()?;
        let key = keys.iter().find(|key| key.label == EC_KEY);
        let key = &key.context("the key is there")?.public_key;
        let stored = stage.requester.signatures(id)?;
        ensure!(made.len() == FILES, "{} were acknowledged", made.len());
        ensure!(stored.len() == FILES, "{} are stored", stored.len());
        let digests: HashSet<_> = stored.iter().map(|signature| &signature.digest).collect();
        ensure!(digests.len() == FILES, "a file was signed twice");
        for Made {
            request,
            key: idempotency_key,
            signature,
        } in made
        {
            request.verify(key, &signature.signature.0)?;
            let same = stored.iter().find(|stored| stored.id == signature.id);
            ensure!(
                same == Some(signature),
                "acknowledged: {signature:?}, stored: {same:?}"
            );
            let again = stage.requester.sign_as(id, request, idempotency_key)?;
            ensure!(again == *signature, "the same key gave another signature");
        }
        let logged = audit(stage)?.into_iter().filter(|entry| {
            matches!(&entry.event, AuditEvent::Signed { activation, .. } if activation.activation() == *id)
        });
        let logged = logged.count();
        ensure!(logged == FILES, "{logged} are logged");
        let view = stage.wait_for(id, |view| {
            view.members.iter().all(|member| member.state.is_ended())
        })?;
        let ends = view.members.iter().map(|member| match &member.state {
            ActivationState::Ended { reason, .. } => Some(reason.clone()),
            _ => None,
        });
        let ends: Vec<_> = ends.collect();
        ensure!(
            matches!(
                ends.as_slice(),
                [Some(EndReason::Completed), Some(EndReason::HsmLost { .. })]
            ),
            "it ended with {ends:?}"
        );
        Ok(())
    }

    /// The HSM comes back, by itself where its program lives.
    fn repair(&mut self, outage: Outage) -> anyhow::Result<()> {
        match outage {
            Outage::Killed => {
                self.pool.others.clear();
                self.attach()
            }
            Outage::Reset | Outage::Silent => {
                signal("CONT", self.connector()?)?;
                self.comes_back_locked()
            }
        }
    }
}
