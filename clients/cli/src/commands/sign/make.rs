//! Making the signatures, and the end of the activation.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use countersign_client::{Client, ClientError};
use countersign_protocol::{
    activation::{ActivationState, ActivationView},
    cvc::Fingerprint,
    id::{ActivationId, SignatureId},
    mechanism::Mechanism,
    problem::ProblemCode,
    signature::{SignRequest, SignatureView},
};
use serde::Serialize;

use super::{Plan, Planned};
use crate::{
    error::CliError,
    hashing,
    interrupt::Interrupt,
    output::{count, printable},
    progress::{self, Progress},
    write,
};

/// The server ends a completed activation at once; this is for the HSM's proof that it is locked.
const COMPLETION: Duration = Duration::from_secs(10);

/// A file that was signed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Signed {
    file: String,
    name: String,
    sha256: String,
    signature_file: String,
    mechanism: Mechanism,
    /// What was signed, in hex.
    digest: String,
    key: Fingerprint,
    signature_id: SignatureId,
    made_at: String,
    /// Made by an earlier run under the same activation.
    fetched: bool,
}

/// A file that was not signed.
#[derive(Debug, Serialize)]
pub struct NotSigned {
    file: String,
    why: String,
}

/// What became of the files when not all were signed.
#[derive(Debug)]
pub struct Partial {
    pub activation: ActivationId,
    pub signed: Vec<Signed>,
    pub not_signed: Vec<NotSigned>,
    /// What stopped everything; `None`: only the files themselves.
    pub cause: Option<CliError>,
}

impl std::fmt::Display for Partial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(cause) = &self.cause {
            writeln!(f, "{cause}")?;
        }
        let all = self.signed.len() + self.not_signed.len();
        write!(f, "{} of {} signed", self.signed.len(), count(all, "file"))?;
        for file in &self.signed {
            write!(f, "\n  signed: {}", file.file)?;
        }
        for NotSigned { file, why } in &self.not_signed {
            write!(f, "\n  not signed: {file}: {why}")?;
        }
        write!(
            f,
            "\nIf activation {} is still open, the same command with --force continues, and `countersign activation \
             lock {}` ends it",
            self.activation, self.activation
        )
    }
}

/// Whether nothing is left to be made.
pub fn covered(plan: &Plan, known: &[SignatureView]) -> bool {
    let known = usable(plan, known.to_vec());
    plan.files
        .iter()
        .all(|file| known.contains_key(file.hashed.digest.as_bytes()))
}

fn usable(plan: &Plan, known: Vec<SignatureView>) -> HashMap<Vec<u8>, SignatureView> {
    known
        .into_iter()
        .filter(|made| made.mechanism == plan.mechanism && made.key == plan.key.fingerprint)
        .map(|made| (made.digest.clone(), made))
        .collect()
}

/// Signs every file; `known` signatures are not made again.
pub fn all(
    client: &Client,
    id: &ActivationId,
    plan: &Plan,
    known: Vec<SignatureView>,
    replace: bool,
    interrupt: &Interrupt,
) -> Result<Vec<Signed>, CliError> {
    let mut known = usable(plan, known);
    let before: HashSet<Vec<u8>> = known.keys().cloned().collect();
    let progress = Progress::signing(plan.files.len() as u64);
    let mut signed = Vec::with_capacity(plan.files.len());
    let mut not_signed = Vec::new();
    let mut cause = None;
    let mut files = plan.files.iter();
    for file in files.by_ref() {
        if interrupt.pressed() {
            cause = Some(CliError::Interrupted("interrupted".to_owned()));
            not_signed.push(untouched(file));
            break;
        }
        if let Err(why) = unchanged(plan, file) {
            progress.line(&format!("{}: {why}", file.input.path.display()));
            not_signed.push(NotSigned {
                file: file.input.path.display().to_string(),
                why,
            });
            continue;
        }
        let made = match one(client, id, plan, file, &mut known) {
            Ok(made) => made,
            Err(error) => {
                cause = Some(error);
                not_signed.push(untouched(file));
                break;
            }
        };
        match write::write(&file.input.signature, made.signature.as_bytes(), replace) {
            Ok(()) => {
                signed.push(record(
                    file,
                    &made,
                    before.contains(file.hashed.digest.as_bytes()),
                ));
                progress.step();
            }
            Err(error) => {
                let why = format!(
                    "{} cannot be written: {error}",
                    file.input.signature.display()
                );
                not_signed.push(NotSigned {
                    file: file.input.path.display().to_string(),
                    why,
                });
            }
        }
    }
    not_signed.extend(files.map(untouched));
    drop(progress);
    match (cause, not_signed.is_empty()) {
        (None, true) => Ok(signed),
        (Some(cause), _) if signed.is_empty() && !matches!(cause, CliError::Interrupted(_)) => {
            Err(cause)
        }
        (cause, _) => Err(CliError::Partial(Box::new(Partial {
            activation: id.clone(),
            signed,
            not_signed,
            cause,
        }))),
    }
}

fn untouched(file: &Planned) -> NotSigned {
    NotSigned {
        file: file.input.path.display().to_string(),
        why: "not reached".to_owned(),
    }
}

/// What was approved is what lies there now: a signature beside other content would mislead.
fn unchanged(plan: &Plan, file: &Planned) -> Result<(), String> {
    match hashing::hash_file(&file.input.path, plan.hash, |_| ()) {
        Ok(hashed) if hashed == file.hashed => Ok(()),
        Ok(_) => Err("the file was changed after its digest was approved".to_owned()),
        Err(error) => Err(format!("cannot be read any more: {error}")),
    }
}

/// One signature, verified.
fn one(
    client: &Client,
    id: &ActivationId,
    plan: &Plan,
    file: &Planned,
    known: &mut HashMap<Vec<u8>, SignatureView>,
) -> Result<SignatureView, CliError> {
    let digest = file.hashed.digest.as_bytes();
    let made = match known.get(digest) {
        Some(made) => made.clone(),
        None => {
            let request = SignRequest {
                key: Some(plan.key.fingerprint),
                ..SignRequest::new(plan.mechanism, digest.to_vec())
            };
            client
                .sign(id, &request)
                .map_err(|error| explain(client, id, error))?
        }
    };
    plan.mechanism.verify(&plan.key.public_key, digest, made.signature.as_bytes()).map_err(|error| {
        CliError::Untrue(format!(
            "the server's signature of {} does not verify with the key {} ({error}): nothing was written; tell an admin",
            file.input.path.display(),
            printable(&plan.key.label)
        ))
    })?;
    known.insert(digest.to_vec(), made.clone());
    Ok(made)
}

/// Where the lease is gone, how it ended says more than that it is gone.
fn explain(client: &Client, id: &ActivationId, error: ClientError) -> CliError {
    if !matches!(
        error.code(),
        Some(ProblemCode::ActivationEnded | ProblemCode::NotOpen)
    ) {
        return error.into();
    }
    match client.activation(id) {
        Ok(view) => match &view.state {
            ActivationState::Ended { reason, .. } => CliError::ended(&view, reason),
            _ => error.into(),
        },
        Err(_) => error.into(),
    }
}

fn record(file: &Planned, made: &SignatureView, fetched: bool) -> Signed {
    Signed {
        file: file.input.path.display().to_string(),
        name: file.input.name.clone(),
        sha256: file.hashed.sha256.to_string(),
        signature_file: file.input.signature.display().to_string(),
        mechanism: made.mechanism,
        digest: file.hashed.digest.hex(),
        key: made.key,
        signature_id: made.id.clone(),
        made_at: made.made_at.to_string(),
        fetched,
    }
}

/// The activation when everything is signed. With `lock`, an HSM that is still open is locked: nothing is left to sign.
///
/// The signatures are there by now, so an error is told and nothing more.
pub fn finish(client: &Client, open: ActivationView, lock: bool) -> ActivationView {
    match try_finish(client, &open.terms.id, lock) {
        Ok(view) => view,
        Err(error) => {
            progress::line(&format!(
                "Everything is signed, but whether the HSM is locked is not known: {error}"
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
    let view = client.activation_after(id, view.revision, COMPLETION)?;
    if view.state.is_ended() {
        return Ok(view);
    }
    match client.lock(id) {
        // It ended by itself just now.
        Err(error) if error.code() == Some(ProblemCode::ActivationEnded) => client.activation(id),
        result => result,
    }
}
