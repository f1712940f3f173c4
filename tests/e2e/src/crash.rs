//! `kill -9` of the server in the middle of signing.

use std::{
    collections::HashMap,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use anyhow::{Context, ensure};
use countersign_client::{ClientError, IdempotencyKey};
use countersign_harness::stage::Stage;
use countersign_protocol::{
    activation::{ActivationState, EndReason},
    audit::{AuditEntry, AuditEvent},
    digest::Sha256Digest,
    hsm::HsmState,
    lease::LeaseLimits,
    manifest::{Manifest, ManifestFile},
    mechanism::Mechanism,
    problem::ProblemCode,
    purpose::Scope,
    signature::{SignRequest, SignatureView},
};

/// Files to be signed.
const FILES: usize = 200;
/// Acknowledged signatures after which the server is killed.
const KILL_AFTER: usize = 60;
/// Clients that sign at the same time.
const CLIENTS: usize = 4;

struct Attempt {
    key: IdempotencyKey,
    request: SignRequest,
    result: Result<SignatureView, ClientError>,
}

/// Signs 200 files, kills and restarts the server meanwhile, and checks that nothing acknowledged is lost, nothing is made
/// twice, and the HSM is locked.
///
/// # Errors
/// What is not as it should be.
pub fn kill_while_signing(stage: &mut Stage) -> anyhow::Result<()> {
    let files: Vec<_> = (0..FILES)
        .map(|number| ManifestFile {
            name: format!("image-{number}"),
            digest: Sha256Digest::of(format!("image {number}").as_bytes()).into(),
        })
        .collect();
    let requests: Vec<_> = files
        .iter()
        .map(|file| SignRequest::new(Mechanism::EcdsaSha256, file.digest.as_bytes().to_vec()))
        .collect();
    let id = stage.ask(
        Scope::Manifest {
            files: Manifest::new(files)?,
        },
        None,
    )?;
    stage.authenticate(&[0, 1], &id)?;

    let (sender, attempts) = mpsc::channel();
    let acknowledged = AtomicUsize::new(0);
    let server = stage.server.take().context("the server runs")?;
    let setup = &stage.setup.server;
    let client = &stage.requester;
    let mut restarted = None;
    std::thread::scope(|scope| -> anyhow::Result<()> {
        for part in requests.chunks(FILES / CLIENTS) {
            let sender = sender.clone();
            let (id, acknowledged) = (&id, &acknowledged);
            scope.spawn(move || {
                for request in part {
                    let key = IdempotencyKey::new();
                    // The client retries by itself with the same key while the server is away.
                    let result = client.sign_as(id, request, &key);
                    if result.is_ok() {
                        acknowledged.fetch_add(1, Ordering::SeqCst);
                    }
                    let _ = sender.send(Attempt {
                        key,
                        request: request.clone(),
                        result,
                    });
                }
            });
        }
        while acknowledged.load(Ordering::SeqCst) < KILL_AFTER {
            std::thread::sleep(Duration::from_millis(1));
        }
        server.program.kill()?;
        restarted = Some(setup.start()?);
        Ok(())
    })?;
    stage.server = restarted;
    drop(sender);
    let attempts: Vec<_> = attempts.into_iter().collect();
    ensure!(
        attempts.len() == FILES,
        "{} attempts were made",
        attempts.len()
    );

    let stored: HashMap<_, _> = stage
        .requester
        .signatures(&id)?
        .into_iter()
        .map(|made| (made.id.clone(), made))
        .collect();
    let digests: std::collections::HashSet<_> = stored.values().map(|made| &made.digest).collect();
    ensure!(digests.len() == stored.len(), "a file was signed twice");
    let logged: Vec<_> = audit(stage)?
        .into_iter()
        .filter_map(|entry| match entry.event {
            AuditEvent::Signed {
                signature,
                activation,
                ..
            } if activation == id => Some(signature),
            _ => None,
        })
        .collect();
    ensure!(
        logged.len() == stored.len(),
        "{} logged, {} stored",
        logged.len(),
        stored.len()
    );
    ensure!(
        logged
            .iter()
            .all(|signature| stored.contains_key(signature)),
        "logged, but not stored"
    );

    let mut acknowledged = 0;
    for Attempt {
        key,
        request,
        result,
    } in &attempts
    {
        match result {
            Ok(made) => {
                acknowledged += 1;
                ensure!(
                    stored.get(&made.id) == Some(made),
                    "acknowledged, but lost: {made:?}"
                );
                let again = stage.requester.sign_as(&id, request, key)?;
                ensure!(again == *made, "the same key gave another signature");
            }
            Err(error) => {
                let code = error.code();
                ensure!(
                    matches!(
                        code,
                        Some(ProblemCode::ActivationEnded | ProblemCode::Conflict)
                    ),
                    "failed for another reason: {error}"
                );
                // What nobody knows is not signed by asking again.
                ensure!(
                    stage.requester.sign_as(&id, request, key).is_err(),
                    "signed after the lease"
                );
            }
        }
    }
    ensure!(
        (KILL_AFTER..FILES).contains(&acknowledged),
        "{acknowledged} were acknowledged: not in the middle"
    );

    let view = stage.requester.activation(&id)?;
    ensure!(
        matches!(
            view.state,
            ActivationState::Ended {
                reason: EndReason::ServerRestarted,
                ..
            }
        ),
        "the lease survived: {:?}",
        view.state
    );
    stage.people[0].log_in(&stage.helper)?;
    let hsm = stage.wait_for_hsm(|hsm| hsm.state == HsmState::Locked)?;
    ensure!(
        hsm.pka.is_some_and(|pka| pka.authenticated == 0),
        "somebody is still authenticated"
    );
    let after = audit(stage)?;
    let start = after
        .iter()
        .rposition(|entry| matches!(entry.event, AuditEvent::ServerStarted { .. }));
    let locked = after
        .iter()
        .rposition(|entry| matches!(entry.event, AuditEvent::HsmLocked { .. }));
    ensure!(
        start < locked,
        "the HSM was not proven locked after the restart"
    );
    println!(
        "{acknowledged} of {FILES} signatures were acknowledged before the kill, {} are stored and logged; none lost, none twice",
        stored.len()
    );
    Ok(())
}

/// Stops the server politely while a lease is open and pages are connected: the HSM is locked, and proven so, before the end.
///
/// # Errors
/// What is not as it should be.
pub fn stop_while_open(stage: &mut Stage) -> anyhow::Result<()> {
    let id = stage.ask_for_anything(LeaseLimits {
        seconds: 600,
        signatures: 10,
    })?;
    let view = stage.authenticate(&[0, 1], &id)?;
    let server = stage.server.take().context("the server runs")?;
    let client = stage.requester.clone();
    let waiting = id.clone();
    // A page that waits for news, and would do so for long.
    let page = std::thread::spawn(move || {
        client.activation_after(&waiting, view.revision + 1000, Duration::from_secs(30))
    });
    std::thread::sleep(Duration::from_millis(300));
    let status = server.program.terminate()?;
    ensure!(status.success(), "the server ended with {status}");
    ensure!(page.join().is_ok(), "the waiting page failed");
    stage.server = Some(stage.setup.server.start()?);
    stage.people[0].log_in(&stage.helper)?;
    let log = audit(stage)?;
    let place =
        |wanted: fn(&AuditEvent) -> bool| log.iter().rposition(|entry| wanted(&entry.event));
    let restarted = place(|event| matches!(event, AuditEvent::ServerStarted { .. }));
    let ended = place(|event| matches!(event, AuditEvent::ActivationEnded { .. }));
    ensure!(
        ended < restarted,
        "the lease was ended by the restart, not by the stop"
    );
    let before_the_end = ended.and_then(|ended| log.get(ended.checked_sub(1)?));
    ensure!(
        matches!(
            before_the_end.map(|entry| &entry.event),
            Some(AuditEvent::HsmLocked { .. })
        ),
        "the HSM was not proven locked when the server stopped: {before_the_end:?}"
    );
    Ok(())
}

/// The whole log, oldest first.
///
/// # Errors
/// The server's, or an entry is missing.
pub fn audit(stage: &Stage) -> anyhow::Result<Vec<AuditEntry>> {
    let mut entries = Vec::new();
    let mut before = None;
    loop {
        let page = stage.people[0].browser.audit(before, 500)?;
        let Some(last) = page.entries.last() else {
            break;
        };
        before = Some(last.index);
        entries.extend(page.entries);
    }
    entries.reverse();
    ensure!(
        entries
            .iter()
            .enumerate()
            .all(|(place, entry)| usize::try_from(entry.index) == Ok(place)),
        "the log has gaps"
    );
    Ok(entries)
}
