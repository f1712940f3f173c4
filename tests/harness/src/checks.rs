//! The main job and its refusals, from outside: what the demo shows and the tests check.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use countersign_client::ClientError;
use countersign_protocol::{
    activation::{ActivationState, EndReason},
    cvc::{PkaFile, TrustAnchors, attestation},
    digest::Sha256Digest,
    hsm::HsmState,
    id::ActivationId,
    lease::LeaseLimits,
    manifest::{Manifest, ManifestFile},
    mechanism::Mechanism,
    problem::ProblemCode,
    purpose::Scope,
    receipt::Receipt,
    signature::SignRequest,
    statement::Approval,
};
use countersign_simulator::simulated_anchor;

use crate::{
    files::openssl_verify,
    stage::{EC_KEY, RSA_KEY, Stage, wait},
};

/// Signs `files` with `key` through the command line while two custodians authenticate; openssl verifies every signature.
/// Returns the signature files.
///
/// # Errors
/// Anything that is not as it should be.
pub fn sign_with_cli(
    stage: &Stage,
    key: &str,
    files: &[PathBuf],
    out: &Path,
) -> anyhow::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(out)?;
    let before = active(stage)?;
    let mut child = stage
        .cli()?
        .args([
            "sign",
            "--key",
            key,
            "--reason",
            "Firmware 4.2.1",
            "--force",
            "--out-dir",
        ])
        .arg(out)
        .args(files)
        .stdin(Stdio::null())
        .spawn()?;
    let authenticated = wait(|| {
        ensure!(
            child.try_wait()?.is_none(),
            "the command line ended before custodians were asked"
        );
        Ok(active(stage)?.into_iter().find(|id| !before.contains(id)))
    })
    .and_then(|id| stage.authenticate(&[0, 2], &id));
    let id = match authenticated {
        Ok(view) => view.terms.id,
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            return Err(error);
        }
    };
    let status = child.wait()?;
    ensure!(status.success(), "the command line failed: {status}");
    let pem = out.join(format!("{key}.pem"));
    let output = stage.cli()?.args(["keys", "--pem", key]).output()?;
    ensure!(
        output.status.success(),
        "no public key: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    std::fs::write(&pem, output.stdout)?;
    let mut signatures = Vec::new();
    for file in files {
        let name = file
            .file_name()
            .context("a file has a name")?
            .to_string_lossy();
        let signature = out.join(format!("{name}.sig"));
        openssl_verify(&pem, file, &signature)?;
        signatures.push(signature);
    }
    check_receipt(stage, &id, files.len())?;
    Ok(signatures)
}

/// The receipt stands by itself: signed by the server, approved by two custodians whose keys are attested.
fn check_receipt(stage: &Stage, id: &ActivationId, files: usize) -> anyhow::Result<()> {
    let server = stage.requester.about()?.server.key;
    let receipt: Receipt = stage.requester.receipt(id)?.verify(&server)?;
    ensure!(
        receipt.signatures.len() == files,
        "the receipt has {} signatures instead of {files}",
        receipt.signatures.len()
    );
    let anchors = TrustAnchors::default().with_simulated(simulated_anchor()?)?;
    let mut custodians = HashSet::new();
    for approval in &receipt.approvals {
        let evidence = PkaFile::parse(approval.pka.as_bytes())?;
        let key = attestation::verify(&evidence, &anchors)?;
        let statement: Approval = approval.statement.verify(key.public_key())?;
        ensure!(
            statement.predicate.terms.activation == *id,
            "an approval of something else"
        );
        for signature in &receipt.signatures {
            ensure!(
                statement
                    .subject
                    .iter()
                    .any(|subject| subject.digest.as_bytes() == signature.digest),
                "signed, but not approved: {:?}",
                signature.name
            );
        }
        custodians.insert(key.fingerprint());
    }
    ensure!(
        custodians.len() == 2,
        "the receipt has approvals of {} custodians",
        custodians.len()
    );
    Ok(())
}

fn active(stage: &Stage) -> anyhow::Result<Vec<ActivationId>> {
    let views = stage
        .requester
        .activations(countersign_client::ActivationFilter::Active)?;
    Ok(views.into_iter().map(|view| view.terms.id).collect())
}

/// EC and RSA, the caller's own file.
///
/// # Errors
/// As [`sign_with_cli`].
pub fn main_job(
    stage: &Stage,
    files: &[PathBuf],
    out: &Path,
    say: &mut dyn FnMut(&str),
) -> anyhow::Result<()> {
    for key in [EC_KEY, RSA_KEY] {
        for signature in sign_with_cli(stage, key, files, &out.join(key))? {
            say(&format!(
                "{}: Anna and Carla allowed it, openssl verifies it",
                signature.display()
            ));
        }
    }
    Ok(())
}

fn digest_of(text: &str) -> SignRequest {
    SignRequest::new(
        Mechanism::EcdsaSha256,
        Sha256Digest::of(text.as_bytes()).as_bytes().to_vec(),
    )
}

/// The server refuses to sign this, for this reason.
fn must_refuse(
    stage: &Stage,
    id: &ActivationId,
    text: &str,
    expected: ProblemCode,
) -> anyhow::Result<String> {
    match stage.requester.sign(id, &digest_of(text)) {
        Err(ClientError::Problem(problem)) if problem.code() == Some(expected) => {
            Ok(problem.detail)
        }
        Err(error) => bail!(
            "refused for another reason than {}: {error}",
            expected.as_str()
        ),
        Ok(_) => bail!("signed, though it must be refused: {}", expected.as_str()),
    }
}

fn must_be_locked(stage: &Stage) -> anyhow::Result<()> {
    let hsm = stage.wait_for_hsm(|hsm| hsm.state == HsmState::Locked)?;
    let authenticated = hsm.pka.context("the HSM has a quorum")?.authenticated;
    ensure!(
        authenticated == 0,
        "the HSM still counts {authenticated} custodians"
    );
    Ok(())
}

const AMPLE: LeaseLimits = LeaseLimits {
    seconds: 600,
    signatures: 10,
};

/// Everything that must be refused is.
///
/// # Errors
/// The first that is not.
pub fn refusals(stage: &Stage, say: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
    let id = stage.ask_for_anything(AMPLE)?;
    stage.authenticate(&[0], &id)?;
    let why = must_refuse(stage, &id, "one of three", ProblemCode::NotOpen)?;
    say(&format!("With 1 of 3: refused: {why}"));
    stage.requester.lock(&id)?;

    let id = stage.ask_for_anything(AMPLE)?;
    stage.authenticate(&[0, 1], &id)?;
    stage.requester.sign(&id, &digest_of("allowed"))?;
    stage.people[2].browser.lock(&id)?;
    must_be_locked(stage)?;
    let why = must_refuse(stage, &id, "after the lock", ProblemCode::ActivationEnded)?;
    say(&format!("After Carla's Lock now: refused: {why}"));

    let id = stage.ask_for_anything(LeaseLimits {
        seconds: 2,
        signatures: 10,
    })?;
    stage.authenticate(&[1, 2], &id)?;
    std::thread::sleep(Duration::from_millis(2100));
    let view = stage.wait_for(&id, |view| view.state.is_ended())?;
    ensure!(
        matches!(
            view.state,
            ActivationState::Ended {
                reason: EndReason::TimeUsed,
                ..
            }
        ),
        "ended in another way: {:?}",
        view.state
    );
    must_be_locked(stage)?;
    let why = must_refuse(stage, &id, "too late", ProblemCode::ActivationEnded)?;
    say(&format!("After the lease's 2 seconds: refused: {why}"));

    let id = stage.ask_for_anything(LeaseLimits {
        seconds: 600,
        signatures: 2,
    })?;
    stage.authenticate(&[0, 2], &id)?;
    for text in ["first", "second"] {
        stage.requester.sign(&id, &digest_of(text))?;
    }
    let why = must_refuse(stage, &id, "third", ProblemCode::ActivationEnded)?;
    must_be_locked(stage)?;
    say(&format!("Beyond its 2 signatures: refused: {why}"));

    let files = ["good", "other"].map(|name| ManifestFile {
        name: name.into(),
        digest: Sha256Digest::of(name.as_bytes()).into(),
    });
    let id = stage.ask(
        Scope::Manifest {
            files: Manifest::new(files.into())?,
        },
        None,
    )?;
    stage.authenticate(&[1, 2], &id)?;
    stage.requester.sign(&id, &digest_of("good"))?;
    let why = must_refuse(stage, &id, "malware", ProblemCode::NotInManifest)?;
    say(&format!("A file outside the manifest: refused: {why}"));
    stage.people[0].browser.lock(&id)?;
    must_be_locked(stage)
}
