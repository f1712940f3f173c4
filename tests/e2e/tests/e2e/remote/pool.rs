//! A pool of two HSMs signs files while one HSM is lost in every way, at varying moments. Every request is answered.

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
use countersign_harness::{
    deployment::EC_KEY,
    pool::{self, Pool},
    wait::wait_for,
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

use super::{
    cable::Cable,
    outage::{NOTICE_LIMIT, Outage, signal},
};
use crate::{crash::audit, say};

/// Number of files for each outage.
const FILES: usize = 60;
/// Number of clients that sign at the same time.
const CLIENTS: usize = 8;
/// The outage comes after this many acknowledged signatures, or up to twice as many.
const OUTAGE_AFTER: usize = 20;
/// Number of the HSM that is lost.
const LOST: usize = 1;

/// A request and its acknowledged signature.
struct Acknowledged {
    request: SignRequest,
    key: IdempotencyKey,
    signature: SignatureView,
}

/// A pool whose second HSM is attached through a [`Cable`].
struct PoolSigning {
    pool: Pool,
    cable: Cable,
}

#[test]
fn every_request_is_answered_when_one_hsm_of_a_pool_is_lost() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut pool = Pool::build(folder.path(), 2)?;
    let cable = Cable::to(pool.deployment.setup.server.port)?;
    // From here on the second HSM connects through the cable.
    pool.others.clear();
    let mut signing = PoolSigning { pool, cable };
    signing.wait_for_lost(is_absent)?;
    signing.attach()?;
    for outage in [Outage::Killed, Outage::Reset, Outage::Silent] {
        let id = signing.open(outage)?;
        let made = signing.sign(&id, outage)?;
        signing.check(&id, &made)?;
        signing.repair(outage)?;
    }
    signing.pool.stop()
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

impl PoolSigning {
    /// Process id of the program that attaches the HSM that is lost.
    fn connector(&self) -> anyhow::Result<u32> {
        let program = self.pool.others.first();
        Ok(program.context("the HSM is not attached")?.id())
    }

    fn wait_for_lost(&self, wanted: impl Fn(&HsmView) -> bool) -> anyhow::Result<HsmView> {
        let admin = &self.pool.deployment.anna().browser;
        wait_for(|| Ok(Some(admin.hsm(&pool::name(LOST))?).filter(&wanted)))
    }

    /// Waits until the HSM is back, and checks that no custodian is authenticated.
    fn wait_until_back(&self) -> anyhow::Result<()> {
        let hsm = self.wait_for_lost(|hsm| hsm.state == HsmState::Locked)?;
        ensure!(
            hsm.pka.is_some_and(|pka| pka.authenticated == 0),
            "the HSM came back with authenticated custodians"
        );
        Ok(())
    }

    fn attach(&mut self) -> anyhow::Result<()> {
        let server = format!("http://{}", self.cable.address);
        let program = self.pool.connectors[LOST].start(&server)?;
        self.pool.others.push(program);
        self.wait_until_back()
    }

    /// Requests signatures of the files; two custodians open both HSMs.
    fn open(&self, outage: Outage) -> anyhow::Result<ActivationId> {
        let deployment = &self.pool.deployment;
        let files = Manifest::new((0..FILES).map(|number| file(outage, number)).collect())?;
        let id = deployment.request(Scope::Manifest { files }, None)?;
        let all = |view: &ActivationView, wanted: fn(&ActivationState) -> bool| {
            view.members.len() == 2 && view.members.iter().all(|member| wanted(&member.state))
        };
        deployment.wait_for_activation(&id, |view| {
            all(view, |state| *state == ActivationState::AwaitingApprovals)
        })?;
        let view = deployment.approve(&id, [deployment.anna(), deployment.carla()])?;
        ensure!(
            all(&view, |state| matches!(state, ActivationState::Open { .. })),
            "not every HSM opened: {:?}",
            view.members
        );
        Ok(id)
    }

    /// Signs every file while the outage happens. No request may fail.
    fn sign(&self, id: &ActivationId, outage: Outage) -> anyhow::Result<Vec<Acknowledged>> {
        let client = &self.pool.deployment.requester;
        let connector = self.connector()?;
        let next = AtomicUsize::new(0);
        let acknowledged = AtomicUsize::new(0);
        let made = Mutex::new(Vec::new());
        // The moment differs from run to run.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let outage_after = OUTAGE_AFTER + now.subsec_micros() as usize % OUTAGE_AFTER;
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
                            made.lock().expect("no thread panicked").push(Acknowledged {
                                request,
                                key,
                                signature,
                            });
                        }
                    })
                })
                .collect();
            while acknowledged.load(Ordering::SeqCst) < outage_after {
                ensure!(
                    !workers.iter().any(|worker| worker.is_finished()),
                    "a client stopped signing before the outage"
                );
                std::thread::sleep(Duration::from_millis(1));
            }
            say(&format!("{outage:?} after {outage_after} signatures"));
            let lost_at = Instant::now();
            outage.cause(&self.cable, connector)?;
            self.wait_for_lost(is_absent)?;
            let noticed = lost_at.elapsed();
            say(&format!(
                "the HSM was shown as absent after {:.1} s",
                noticed.as_secs_f64()
            ));
            ensure!(
                outage == Outage::Silent || noticed < NOTICE_LIMIT,
                "{outage:?}: noticed after {noticed:?}"
            );
            for worker in workers {
                worker.join().expect("no thread panicked")?;
            }
            Ok(())
        })?;
        Ok(made.into_inner().expect("no thread panicked"))
    }

    /// Checks that every request has one valid signature, stored and logged once, and that one HSM completed the activation while
    /// the other was lost.
    fn check(&self, id: &ActivationId, made: &[Acknowledged]) -> anyhow::Result<()> {
        let deployment = &self.pool.deployment;
        let keys = deployment.requester.keys()?;
        let key = keys.iter().find(|key| key.label == EC_KEY);
        let key = &key.context("the key is not listed")?.public_key;
        let stored = deployment.requester.signatures(id)?;
        ensure!(
            made.len() == FILES,
            "{} signatures were acknowledged",
            made.len()
        );
        ensure!(
            stored.len() == FILES,
            "{} signatures are stored",
            stored.len()
        );
        let digests: HashSet<_> = stored.iter().map(|signature| &signature.digest).collect();
        ensure!(digests.len() == FILES, "a file was signed twice");
        for Acknowledged {
            request,
            key: idempotency_key,
            signature,
        } in made
        {
            request.verify(key, &signature.signature.0)?;
            let same = stored.iter().find(|stored| stored.id == signature.id);
            ensure!(
                same == Some(signature),
                "acknowledged {signature:?}, but stored {same:?}"
            );
            let again = deployment.requester.sign_as(id, request, idempotency_key)?;
            ensure!(
                again == *signature,
                "the same idempotency key gave another signature"
            );
        }
        let logged = audit(deployment)?.into_iter().filter(|entry| {
            matches!(&entry.event, AuditEvent::Signed { activation, .. } if activation.activation() == *id)
        });
        let logged = logged.count();
        ensure!(logged == FILES, "{logged} signatures are logged");
        let view = deployment.wait_for_activation(id, |view| {
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
            "the HSMs' parts ended with {ends:?}"
        );
        Ok(())
    }

    /// Brings the HSM back. A connector that was not killed reconnects automatically.
    fn repair(&mut self, outage: Outage) -> anyhow::Result<()> {
        match outage {
            Outage::Killed => {
                self.pool.others.clear();
                self.attach()
            }
            Outage::Reset | Outage::Silent => {
                signal("CONT", self.connector()?)?;
                self.wait_until_back()
            }
        }
    }
}
