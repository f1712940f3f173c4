//! Makes and writes the signatures, and ends the activation.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use countersign_client::{Client, ClientError};
use countersign_protocol::{
    activation::ActivationView,
    cvc::Fingerprint,
    id::{ActivationId, SignatureId},
    mechanism::Mechanism,
    problem::ProblemCode,
    signature::{SignRequest, SignatureView},
};
use serde::Serialize;

use super::{Plan, PlannedFile};
use crate::{
    error::CliError,
    hashing,
    interrupt::Interrupt,
    output::{count, printable},
    progress::{self, Progress},
    wait, write,
};

/// How long to wait until the server has ended the completed activation and verified that the HSM is locked.
const COMPLETION_TIMEOUT: Duration = Duration::from_secs(10);

/// A signed file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Signed {
    file: String,
    name: String,
    sha256: String,
    signature_file: String,
    mechanism: Mechanism,
    /// The signed digest, in hex.
    digest: String,
    key: Fingerprint,
    signature_id: SignatureId,
    made_at: String,
    /// Whether an earlier run made the signature under the same activation.
    fetched: bool,
}

/// A file that was not signed.
#[derive(Debug, Serialize)]
pub struct NotSigned {
    file: String,
    why: String,
    /// Whether it was this file's turn.
    #[serde(skip)]
    reached: bool,
}

/// Number of files that an error lists by name.
const MAX_LISTED: usize = 10;

/// The result for each file if not all were signed.
#[derive(Debug)]
pub struct PartiallySigned {
    pub activation: ActivationId,
    pub signed: Vec<Signed>,
    pub not_signed: Vec<NotSigned>,
    /// The error after which no further file was signed. Without one, only single files failed.
    pub cause: Option<CliError>,
}

impl std::fmt::Display for PartiallySigned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(cause) = &self.cause {
            writeln!(f, "{cause}")?;
        }
        let all = self.signed.len() + self.not_signed.len();
        write!(f, "{} of {} signed", self.signed.len(), count(all, "file"))?;
        for file in self.signed.iter().take(MAX_LISTED) {
            write!(f, "\n  signed: {}", file.file)?;
        }
        if let Some(more @ 1..) = self.signed.len().checked_sub(MAX_LISTED) {
            write!(f, "\n  signed: {}", count(more, "more file"))?;
        }
        let (reached, rest): (Vec<_>, Vec<_>) =
            self.not_signed.iter().partition(|file| file.reached);
        for NotSigned { file, why, .. } in reached {
            write!(f, "\n  not signed: {file}: {why}")?;
        }
        match rest.as_slice() {
            [] => {}
            [only] => write!(f, "\n  not reached: {}", only.file)?,
            [first, others @ ..] => write!(
                f,
                "\n  not reached: {} and {}",
                first.file,
                count(others.len(), "more file")
            )?,
        }
        let id = &self.activation;
        if matches!(self.cause, Some(CliError::Ended { .. })) {
            write!(
                f,
                "\nTo sign the rest, repeat the command with --force, which requests a new activation"
            )
        } else {
            write!(
                f,
                "\nIf activation {id} is still open, repeat the command with --force to continue, or run `countersign \
                 activation lock {id}` to end it"
            )
        }
    }
}

/// Whether the existing signatures cover all files, so that none has to be made.
pub fn are_complete(plan: &Plan, existing: &[SignatureView]) -> bool {
    let existing = by_digest(plan, existing.to_vec());
    plan.files
        .iter()
        .all(|file| existing.contains_key(file.digests.digest.as_bytes()))
}

/// The signatures with the plan's key and mechanism, by their digests.
fn by_digest(plan: &Plan, signatures: Vec<SignatureView>) -> HashMap<Vec<u8>, SignatureView> {
    signatures
        .into_iter()
        .filter(|made| made.mechanism == plan.mechanism && made.key == plan.key.fingerprint)
        .map(|made| (made.digest.clone(), made))
        .collect()
}

/// Signs every file, except those for which a signature exists already.
pub fn sign_all(
    client: &Client,
    id: &ActivationId,
    plan: &Plan,
    existing: Vec<SignatureView>,
    replace: bool,
    interrupt: &Interrupt,
) -> Result<Vec<Signed>, CliError> {
    let mut signatures = by_digest(plan, existing);
    let fetched: HashSet<Vec<u8>> = signatures.keys().cloned().collect();
    let progress = Progress::signing(plan.files.len() as u64);
    let mut signed = Vec::with_capacity(plan.files.len());
    let mut not_signed = Vec::new();
    let mut cause = None;
    let mut files = plan.files.iter();
    for file in files.by_ref() {
        if interrupt.is_requested() {
            cause = Some(CliError::Interrupted("interrupted".to_owned()));
            not_signed.push(not_reached(file));
            break;
        }
        if let Err(why) = check_unchanged(plan, file) {
            progress.line(&format!("{}: {why}", file.input.path.display()));
            not_signed.push(NotSigned::new(file, why));
            continue;
        }
        let signature = match sign_file(client, id, plan, file, &mut signatures) {
            Ok(signature) => signature,
            Err(error) => {
                cause = Some(error);
                not_signed.push(not_reached(file));
                break;
            }
        };
        let path = &file.input.signature;
        match write::write(path, signature.signature.as_bytes(), replace) {
            Ok(()) => {
                let fetched = fetched.contains(file.digests.digest.as_bytes());
                signed.push(Signed::new(file, &signature, fetched));
                progress.step();
            }
            Err(error) => {
                let why = format!("{} cannot be written: {error}", path.display());
                not_signed.push(NotSigned::new(file, why));
            }
        }
    }
    not_signed.extend(files.map(not_reached));
    drop(progress);
    match (cause, not_signed.is_empty()) {
        (None, true) => Ok(signed),
        (Some(cause), _) if signed.is_empty() && !matches!(cause, CliError::Interrupted(_)) => {
            Err(cause)
        }
        (cause, _) => Err(CliError::PartiallySigned(Box::new(PartiallySigned {
            activation: id.clone(),
            signed,
            not_signed,
            cause,
        }))),
    }
}

fn not_reached(file: &PlannedFile) -> NotSigned {
    NotSigned {
        reached: false,
        ..NotSigned::new(file, "not reached".to_owned())
    }
}

/// Checks that the file still has the approved content, because a signature next to other content would mislead.
fn check_unchanged(plan: &Plan, file: &PlannedFile) -> Result<(), String> {
    match hashing::hash_file(&file.input.path, plan.hash, |_| ()) {
        Ok(digests) if digests == file.digests => Ok(()),
        Ok(_) => Err("the file was changed after its digest was approved".to_owned()),
        Err(error) => Err(format!("the file can no longer be read: {error}")),
    }
}

/// Makes one signature, unless it exists already, and verifies it.
fn sign_file(
    client: &Client,
    id: &ActivationId,
    plan: &Plan,
    file: &PlannedFile,
    signatures: &mut HashMap<Vec<u8>, SignatureView>,
) -> Result<SignatureView, CliError> {
    let digest = file.digests.digest.as_bytes();
    let signature = match signatures.get(digest) {
        Some(existing) => existing.clone(),
        None => {
            let request = SignRequest {
                key: Some(plan.key.fingerprint),
                ..SignRequest::new(plan.mechanism, digest.to_vec())
            };
            client
                .sign(id, &request)
                .map_err(|error| wait::explain(client, id, error))?
        }
    };
    plan.mechanism.verify(&plan.key.public_key, digest, signature.signature.as_bytes()).map_err(|error| {
        CliError::Untrusted(format!(
            "the signature of {} that the server returned does not verify with key {} ({error}): it was not written; \
             report this to an admin",
            file.input.path.display(),
            printable(&plan.key.label)
        ))
    })?;
    signatures.insert(digest.to_vec(), signature.clone());
    Ok(signature)
}

impl Signed {
    fn new(file: &PlannedFile, signature: &SignatureView, fetched: bool) -> Self {
        Self {
            file: file.input.path.display().to_string(),
            name: file.input.name.clone(),
            sha256: file.digests.sha256.to_string(),
            signature_file: file.input.signature.display().to_string(),
            mechanism: signature.mechanism,
            digest: file.digests.digest.hex(),
            key: signature.key,
            signature_id: signature.id.clone(),
            made_at: signature.made_at.to_string(),
            fetched,
        }
    }
}

impl NotSigned {
    fn new(file: &PlannedFile, why: String) -> Self {
        Self {
            file: file.input.path.display().to_string(),
            why,
            reached: true,
        }
    }
}

/// Waits until the activation has ended, if everything is signed, and returns it. With `lock`, an HSM that is still
/// open is locked then, because nothing is left to sign.
///
/// An error is only printed, because all files are signed.
pub fn finish(client: &Client, open: ActivationView, lock: bool) -> ActivationView {
    match try_finish(client, &open.id(), lock) {
        Ok(view) => view,
        Err(error) => {
            progress::line(&format!(
                "All files are signed, but locking the HSM could not be confirmed: {error}"
            ));
            open
        }
    }
}

fn try_finish(
    client: &Client,
    id: &ActivationId,
    lock: bool,
) -> Result<ActivationView, ClientError> {
    let view = client.activation(id)?;
    if view.state.is_ended() || !lock {
        return Ok(view);
    }
    let view = client.activation_after(id, view.revision, COMPLETION_TIMEOUT)?;
    if view.state.is_ended() {
        return Ok(view);
    }
    match client.lock(id) {
        // It ended in the meantime.
        Err(error) if error.code() == Some(ProblemCode::ActivationEnded) => client.activation(id),
        result => result,
    }
}
