//! The main job and everything that must be refused, through the programs' own interfaces. The demo and the tests share it.

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
    deployment::{Deployment, EC_KEY, RSA_KEY},
    files::openssl_verify,
    wait::wait_for,
};

/// Signs `files` with `key` on the command line while Anna and Carla approve, and verifies every signature with OpenSSL.
/// Returns the signature files.
///
/// # Errors
/// A program failed, a signature is wrong, or the receipt does not match.
pub fn sign_with_cli(
    deployment: &Deployment,
    key: &str,
    files: &[PathBuf],
    out: &Path,
) -> anyhow::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(out)?;
    let before = active(deployment)?;
    let mut child = deployment
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
    let approved = wait_for(|| {
        ensure!(
            child.try_wait()?.is_none(),
            "the command line ended before it requested an activation"
        );
        Ok(active(deployment)?
            .into_iter()
            .find(|id| !before.contains(id)))
    })
    .and_then(|id| deployment.approve(&id, [deployment.anna(), deployment.carla()]));
    let id = match approved {
        Ok(view) => view.id(),
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            return Err(error);
        }
    };
    let status = child.wait()?;
    ensure!(status.success(), "the command line failed: {status}");
    let pem = out.join(format!("{key}.pem"));
    let output = deployment.cli()?.args(["keys", "--pem", key]).output()?;
    ensure!(
        output.status.success(),
        "the command line did not print the public key: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    std::fs::write(&pem, output.stdout)?;
    let mut signatures = Vec::new();
    for file in files {
        let name = file
            .file_name()
            .context("a path to a file ends in a name")?
            .to_string_lossy();
        let signature = out.join(format!("{name}.sig"));
        openssl_verify(&pem, file, &signature)?;
        signatures.push(signature);
    }
    check_receipt(deployment, &id, files.len())?;
    Ok(signatures)
}

/// Checks the receipt without the server: the server has signed it, and two custodians with attested keys approved every
/// signature.
fn check_receipt(deployment: &Deployment, id: &ActivationId, files: usize) -> anyhow::Result<()> {
    let server = deployment.requester.about()?.server.key;
    let receipt: Receipt = deployment.requester.receipt(id)?.verify(&server)?;
    ensure!(
        receipt.signatures.len() == files,
        "the receipt lists {} signatures instead of {files}",
        receipt.signatures.len()
    );
    let anchors = TrustAnchors::default().with_simulated(simulated_anchor()?)?;
    let mut custodians = HashSet::new();
    for approval in &receipt.approvals {
        let attested = PkaFile::parse(approval.pka.as_bytes())?;
        let key = attestation::verify(&attested, &anchors)?;
        let statement: Approval = approval.statement.verify(key.public_key())?;
        ensure!(
            statement.predicate.terms.activation.activation() == *id,
            "the receipt contains an approval of another activation"
        );
        for signature in &receipt.signatures {
            ensure!(
                statement
                    .subject
                    .iter()
                    .any(|subject| subject.digest.as_bytes() == signature.digest),
                "the receipt lists a signature that was not approved: {:?}",
                signature.name
            );
        }
        custodians.insert(key.fingerprint());
    }
    ensure!(
        custodians.len() == 2,
        "the receipt contains approvals of {} custodians instead of 2",
        custodians.len()
    );
    Ok(())
}

fn active(deployment: &Deployment) -> anyhow::Result<Vec<ActivationId>> {
    let views = deployment
        .requester
        .activations(countersign_client::ActivationFilter::Active)?;
    Ok(views.into_iter().map(|view| view.id()).collect())
}

/// Signs `files` with the EC key and then with the RSA key, and reports each signature to `say`.
pub fn run(
    deployment: &Deployment,
    files: &[PathBuf],
    out: &Path,
    say: &mut dyn FnMut(&str),
) -> anyhow::Result<()> {
    for key in [EC_KEY, RSA_KEY] {
        for signature in sign_with_cli(deployment, key, files, &out.join(key))? {
            say(&format!("Verified with OpenSSL: {}", signature.display()));
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

/// Checks that the server rejects a signature with this problem, and returns the problem's detail.
fn must_reject(
    deployment: &Deployment,
    id: &ActivationId,
    text: &str,
    expected: ProblemCode,
) -> anyhow::Result<String> {
    let expected_code = expected.as_str();
    match deployment.requester.sign(id, &digest_of(text)) {
        Err(ClientError::Problem(problem)) if problem.code() == Some(expected) => {
            Ok(problem.detail)
        }
        Err(error) => bail!("expected the problem {expected_code}, but the server said: {error}"),
        Ok(_) => bail!("expected the problem {expected_code}, but the server signed"),
    }
}

fn must_be_locked(deployment: &Deployment) -> anyhow::Result<()> {
    let hsm = deployment.wait_for_hsm(|hsm| hsm.state == HsmState::Locked)?;
    let authenticated = hsm.pka.context("the HSM has a quorum")?.authenticated;
    ensure!(
        authenticated == 0,
        "the HSM still has {authenticated} authenticated custodians"
    );
    Ok(())
}

const AMPLE: LeaseLimits = LeaseLimits {
    seconds: 600,
    signatures: 10,
};

/// Tries everything that must be refused, and reports each refusal to `say`.
///
/// # Errors
/// Something was not refused, or for another reason.
pub fn refusals(deployment: &Deployment, say: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
    without_a_quorum(deployment, say)?;
    after_lock_now(deployment, say)?;
    after_the_lease_expired(deployment, say)?;
    beyond_the_signature_limit(deployment, say)?;
    outside_the_manifest(deployment, say)
}

fn without_a_quorum(deployment: &Deployment, say: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
    let id = deployment.request_any_content(AMPLE)?;
    deployment.approve(&id, [deployment.anna()])?;
    let detail = must_reject(deployment, &id, "one of two", ProblemCode::NotOpen)?;
    say(&format!("With 1 of 2 approvals: {detail}"));
    deployment.requester.lock(&id)?;
    Ok(())
}

fn after_lock_now(deployment: &Deployment, say: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
    let id = deployment.request_any_content(AMPLE)?;
    deployment.approve(&id, [deployment.anna(), deployment.ben()])?;
    deployment.requester.sign(&id, &digest_of("allowed"))?;
    deployment.carla().browser.lock(&id)?;
    must_be_locked(deployment)?;
    let detail = must_reject(
        deployment,
        &id,
        "after the lock",
        ProblemCode::ActivationEnded,
    )?;
    say(&format!("After Carla pressed Lock now: {detail}"));
    Ok(())
}

fn after_the_lease_expired(
    deployment: &Deployment,
    say: &mut dyn FnMut(&str),
) -> anyhow::Result<()> {
    let id = deployment.request_any_content(LeaseLimits {
        seconds: 2,
        signatures: 10,
    })?;
    deployment.approve(&id, [deployment.ben(), deployment.carla()])?;
    std::thread::sleep(Duration::from_millis(2100));
    let view = deployment.wait_for_activation(&id, |view| view.state.is_ended())?;
    ensure!(
        matches!(
            view.state,
            ActivationState::Ended {
                reason: EndReason::LeaseExpired,
                ..
            }
        ),
        "the activation ended in another way: {:?}",
        view.state
    );
    must_be_locked(deployment)?;
    let detail = must_reject(deployment, &id, "too late", ProblemCode::ActivationEnded)?;
    say(&format!("After the lease of 2 s expired: {detail}"));
    Ok(())
}

fn beyond_the_signature_limit(
    deployment: &Deployment,
    say: &mut dyn FnMut(&str),
) -> anyhow::Result<()> {
    let id = deployment.request_any_content(LeaseLimits {
        seconds: 600,
        signatures: 2,
    })?;
    deployment.approve(&id, [deployment.anna(), deployment.carla()])?;
    for text in ["first", "second"] {
        deployment.requester.sign(&id, &digest_of(text))?;
    }
    let detail = must_reject(deployment, &id, "third", ProblemCode::ActivationEnded)?;
    must_be_locked(deployment)?;
    say(&format!("A third signature, with a limit of 2: {detail}"));
    Ok(())
}

fn outside_the_manifest(deployment: &Deployment, say: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
    let files = ["good", "other"].map(|name| ManifestFile {
        name: name.into(),
        digest: Sha256Digest::of(name.as_bytes()).into(),
    });
    let files = Manifest::new(files.into())?;
    let id = deployment.request(Scope::Manifest { files }, None)?;
    deployment.approve(&id, [deployment.ben(), deployment.carla()])?;
    deployment.requester.sign(&id, &digest_of("good"))?;
    let detail = must_reject(deployment, &id, "malware", ProblemCode::NotInManifest)?;
    say(&format!("A file that is not in the manifest: {detail}"));
    deployment.anna().browser.lock(&id)?;
    must_be_locked(deployment)
}
