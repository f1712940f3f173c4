//! The server is killed or stopped while a lease is open.

use std::{
    collections::HashMap,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use anyhow::ensure;
use countersign_client::{ClientError, IdempotencyKey};
use countersign_harness::deployment::Deployment;
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

const FILES: usize = 200;
/// Number of acknowledged signatures after which the server is killed.
const KILL_AFTER: usize = 60;
/// Number of clients that sign at the same time.
const CLIENTS: usize = 4;

struct Attempt {
    key: IdempotencyKey,
    request: SignRequest,
    result: Result<SignatureView, ClientError>,
}

/// Signs 200 files, kills and restarts the server meanwhile, and checks that no acknowledged signature is lost, no file is
/// signed twice, and the HSM is locked.
pub fn kill_while_signing(deployment: &mut Deployment) -> anyhow::Result<()> {
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
    let id = deployment.request(
        Scope::Manifest {
            files: Manifest::new(files)?,
        },
        None,
    )?;
    deployment.approve(&id, [deployment.anna(), deployment.ben()])?;

    let (sender, attempts) = mpsc::channel();
    let acknowledged = AtomicUsize::new(0);
    let server = deployment.take_server()?;
    let setup = &deployment.setup.server;
    let client = &deployment.requester;
    let mut restarted = None;
    std::thread::scope(|scope| -> anyhow::Result<()> {
        for part in requests.chunks(FILES / CLIENTS) {
            let sender = sender.clone();
            let (id, acknowledged) = (&id, &acknowledged);
            scope.spawn(move || {
                for request in part {
                    let key = IdempotencyKey::new();
                    // While the server is down the client retries automatically with the same key.
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
    deployment.server = restarted;
    drop(sender);
    let attempts: Vec<_> = attempts.into_iter().collect();
    ensure!(
        attempts.len() == FILES,
        "{} attempts instead of {FILES}",
        attempts.len()
    );

    let stored: HashMap<_, _> = deployment
        .requester
        .signatures(&id)?
        .into_iter()
        .map(|made| (made.id.clone(), made))
        .collect();
    let digests: std::collections::HashSet<_> = stored.values().map(|made| &made.digest).collect();
    ensure!(digests.len() == stored.len(), "a file was signed twice");
    let logged: Vec<_> = audit(deployment)?
        .into_iter()
        .filter_map(|entry| match entry.event {
            AuditEvent::Signed {
                signature,
                activation,
                ..
            } if activation.activation() == id => Some(signature),
            _ => None,
        })
        .collect();
    ensure!(
        logged.len() == stored.len(),
        "{} signatures are logged, but {} are stored",
        logged.len(),
        stored.len()
    );
    ensure!(
        logged
            .iter()
            .all(|signature| stored.contains_key(signature)),
        "a logged signature is not stored"
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
                    "an acknowledged signature was lost: {made:?}"
                );
                let again = deployment.requester.sign_as(&id, request, key)?;
                ensure!(
                    again == *made,
                    "the same idempotency key gave another signature"
                );
            }
            Err(error) => {
                let code = error.code();
                ensure!(
                    matches!(
                        code,
                        Some(ProblemCode::ActivationEnded | ProblemCode::Conflict)
                    ),
                    "unexpected error: {error}"
                );
                // A repeated request must not sign a file whose first attempt has an unknown outcome.
                ensure!(
                    deployment.requester.sign_as(&id, request, key).is_err(),
                    "a file was signed after the lease ended"
                );
            }
        }
    }
    ensure!(
        (KILL_AFTER..FILES).contains(&acknowledged),
        "{acknowledged} of {FILES} were acknowledged, so the kill came too early or too late"
    );

    let view = deployment.requester.activation(&id)?;
    ensure!(
        matches!(
            view.state,
            ActivationState::Ended {
                reason: EndReason::ServerRestarted,
                ..
            }
        ),
        "the restart did not end the lease: {:?}",
        view.state
    );
    deployment.anna().log_in(&deployment.helper)?;
    let hsm = deployment.wait_for_hsm(|hsm| hsm.state == HsmState::Locked)?;
    ensure!(
        hsm.pka.is_some_and(|pka| pka.authenticated == 0),
        "a custodian is still authenticated"
    );
    let after = audit(deployment)?;
    let start = after
        .iter()
        .rposition(|entry| matches!(entry.event, AuditEvent::ServerStarted { .. }));
    let locked = after
        .iter()
        .rposition(|entry| matches!(entry.event, AuditEvent::HsmLocked { .. }));
    ensure!(
        start < locked,
        "the server did not verify the lock after the restart"
    );
    println!(
        "{acknowledged} of {FILES} signatures were acknowledged, {} are stored and logged; no signature was lost and no file was signed twice",
        stored.len()
    );
    Ok(())
}

/// Sends SIGTERM to the server while a lease is open and a page polls, and checks that the server verified the lock before it
/// ended.
pub fn stop_while_open(deployment: &mut Deployment) -> anyhow::Result<()> {
    let id = deployment.request_any_content(LeaseLimits {
        seconds: 600,
        signatures: 10,
    })?;
    let view = deployment.approve(&id, [deployment.anna(), deployment.ben()])?;
    let server = deployment.take_server()?;
    let client = deployment.requester.clone();
    let waiting = id.clone();
    // The page asks for a revision that does not come, so its poll would last for 30 s.
    let page = std::thread::spawn(move || {
        client.activation_after(&waiting, view.revision + 1000, Duration::from_secs(30))
    });
    std::thread::sleep(Duration::from_millis(300));
    let status = server.program.terminate()?;
    ensure!(status.success(), "the server ended with {status}");
    ensure!(page.join().is_ok(), "the polling page panicked");
    deployment.restart_server()?;
    deployment.anna().log_in(&deployment.helper)?;
    let log = audit(deployment)?;
    let position =
        |wanted: fn(&AuditEvent) -> bool| log.iter().rposition(|entry| wanted(&entry.event));
    let restarted = position(|event| matches!(event, AuditEvent::ServerStarted { .. }));
    let ended = position(|event| matches!(event, AuditEvent::ActivationEnded { .. }));
    ensure!(
        ended < restarted,
        "the restart ended the lease, not the stop"
    );
    let entry_before = ended.and_then(|ended| log.get(ended.checked_sub(1)?));
    ensure!(
        matches!(
            entry_before.map(|entry| &entry.event),
            Some(AuditEvent::HsmLocked { .. })
        ),
        "the server did not verify the lock before it stopped: {entry_before:?}"
    );
    Ok(())
}

/// Reads the whole audit log, oldest entry first.
///
/// # Errors
/// An entry is missing, or the server rejected a request.
pub fn audit(deployment: &Deployment) -> anyhow::Result<Vec<AuditEntry>> {
    let mut entries = Vec::new();
    let mut before = None;
    loop {
        let page = deployment.anna().browser.audit(before, 500)?;
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
        "the audit log has gaps"
    );
    Ok(entries)
}
