//! `countersign sign`.

mod inputs;
mod request;
mod signatures;

use countersign_client::Client;
use countersign_protocol::{
    activation::{ActivationTerms, ActivationView},
    cvc::PublicKey,
    hsm::SigningKeyView,
    id::ActivationId,
    manifest::{Manifest, ManifestFile},
    mechanism::{Hash, Mechanism},
    purpose::{KeySet, Purpose, Scope},
};
use serde_json::json;

use crate::{
    args::{Global, Sign},
    connect,
    error::CliError,
    hashing::{self, Digests},
    interrupt::Interrupt,
    keys,
    output::{Output, any_of, count, printable},
    progress::{self, Progress},
    status, wait,
};

use inputs::Input;
pub use signatures::PartiallySigned;

/// What is to be signed, which is determined before approval is requested.
struct Plan {
    key: SigningKeyView,
    mechanism: Mechanism,
    hash: Hash,
    files: Vec<PlannedFile>,
}

/// A file and the digests to be signed.
struct PlannedFile {
    input: Input,
    digests: Digests,
}

pub fn run(args: &Sign, global: &Global, output: Output) -> Result<(), CliError> {
    let inputs = inputs::check(&args.files, args.out_dir.as_deref(), args.force)?;
    let client = connect::client(global)?;
    match &args.activation {
        None => sign_new(args, &client, inputs, output),
        Some(id) => sign_under(args, id, &client, inputs, output),
    }
}

/// Requests an activation and signs under it.
fn sign_new(
    args: &Sign,
    client: &Client,
    inputs: Vec<Input>,
    output: Output,
) -> Result<(), CliError> {
    let name = args.key.as_deref().unwrap_or_default();
    let key = keys::find(&client.keys()?, name, args.hsm.as_ref())?.clone();
    let (mechanism, hash_algorithm) = keys::mechanism(&key.public_key, args.mechanism)?;
    let plan = Plan {
        key,
        mechanism,
        hash: hash_algorithm,
        files: hash(inputs, hash_algorithm)?,
    };
    let scope = if args.any_content {
        Scope::Open
    } else {
        Scope::Manifest {
            files: manifest(&plan)?,
        }
    };

    let interrupt = Interrupt::install();
    let requested = request::request_activation(client, args, &plan, scope)?;
    let id = requested.activation.id();
    let open = wait::until_open(client, requested.activation, !requested.joined, &interrupt)?;
    // An earlier run may have signed some of the files under the same activation.
    let existing = if requested.joined {
        client.signatures(&id)?
    } else {
        Vec::new()
    };
    let signed = signatures::sign_all(client, &id, &plan, existing, args.force, &interrupt)?;
    let activation = signatures::finish(client, open, !args.any_content);
    print_result(output, &plan, &activation, &signed);
    Ok(())
}

/// Signs under an existing activation.
fn sign_under(
    args: &Sign,
    id: &ActivationId,
    client: &Client,
    inputs: Vec<Input>,
    output: Output,
) -> Result<(), CliError> {
    let activation = client.activation(id)?;
    let Purpose::Sign {
        keys: approved,
        scope,
    } = &activation.terms.purpose
    else {
        return Err(CliError::Key(format!(
            "activation {id} generates a key and cannot be used to sign"
        )));
    };
    let key = approved_key(args, &client.keys()?, &activation.terms, approved)?;
    let mechanism = args
        .mechanism
        .or_else(|| listed_mechanism(&key.public_key, scope));
    let (mechanism, hash_algorithm) = keys::mechanism(&key.public_key, mechanism)?;
    let plan = Plan {
        key,
        mechanism,
        hash: hash_algorithm,
        files: hash(inputs, hash_algorithm)?,
    };
    if let Scope::Manifest { files: manifest } = scope {
        let files: Vec<String> = plan
            .files
            .iter()
            .filter(|file| !manifest.contains(&file.digests.digest))
            .map(|file| file.input.name.clone())
            .collect();
        if !files.is_empty() {
            return Err(CliError::NotInManifest {
                id: id.clone(),
                files,
                others: other_mechanisms(manifest, &plan.key, hash_algorithm),
            });
        }
    }
    let existing = client.signatures(id)?;
    if !signatures::are_complete(&plan, &existing) {
        wait::require_open(&activation)?;
    }
    let interrupt = Interrupt::install();
    let signed = signatures::sign_all(client, id, &plan, existing, args.force, &interrupt)?;
    let activation = signatures::finish(client, activation, false);
    print_result(output, &plan, &activation, &signed);
    Ok(())
}

/// The key to use under an existing activation: the one that the user names, or the only approved one.
fn approved_key(
    args: &Sign,
    known: &[SigningKeyView],
    terms: &ActivationTerms,
    approved: &KeySet,
) -> Result<SigningKeyView, CliError> {
    let id = &terms.id;
    let name = match (&args.key, approved.only()) {
        (Some(name), _) => name.clone(),
        (None, Some(only)) => only.fingerprint.to_hex(),
        (None, None) => {
            let labels: Vec<String> = approved
                .iter()
                .map(|key| format!("\"{}\"", printable(&key.label)))
                .collect();
            return Err(CliError::Usage(format!(
                "activation {id} is for several keys: choose {} with --key",
                any_of(&labels)
            )));
        }
    };
    // In a pool, any connected HSM can sign, so the key may be on any of them.
    let only = terms.pool.is_none().then_some(&terms.hsm.id);
    let key = keys::find(known, &name, only)?;
    if approved.get(&key.fingerprint).is_none() {
        return Err(CliError::Key(format!(
            "activation {id} is for {}, not for `{name}`",
            printable(&approved.to_string())
        )));
    }
    Ok(key.clone())
}

/// The mechanism to use if the manifest lists no digest of the default one's hash function.
fn listed_mechanism(key: &PublicKey, scope: &Scope) -> Option<Mechanism> {
    let Scope::Manifest { files } = scope else {
        return None;
    };
    let default = keys::default_mechanism(key);
    let mut hashes = files.files().iter().map(|file| file.digest.hash());
    let first = hashes.clone().next()?;
    if hashes.any(|hash| Some(hash) == default.hash()) {
        return None;
    }
    Mechanism::new(default.scheme(), first)
}

/// The key's mechanisms for digests in the manifest that have another hash function than this.
fn other_mechanisms(manifest: &Manifest, key: &SigningKeyView, hash: Hash) -> Vec<Mechanism> {
    let is_other = |mechanism: &Mechanism| {
        let mut digests = manifest.files().iter().map(|file| file.digest.hash());
        mechanism.hash() != Some(hash) && digests.any(|listed| Some(listed) == mechanism.hash())
    };
    let possible = Mechanism::of_key(&key.public_key);
    possible.into_iter().filter(is_other).collect()
}

fn hash(inputs: Vec<Input>, hash: Hash) -> Result<Vec<PlannedFile>, CliError> {
    let bytes = inputs.iter().map(|input| input.length).sum();
    let progress = Progress::hashing(bytes);
    let mut files = Vec::with_capacity(inputs.len());
    for input in inputs {
        let digests = hashing::hash_file(&input.path, hash, |bytes| progress.advance(bytes))
            .map_err(|error| CliError::Files(format!("{}: {error}", input.path.display())))?;
        files.push(PlannedFile { input, digests });
    }
    Ok(files)
}

fn manifest(plan: &Plan) -> Result<Manifest, CliError> {
    let files = plan
        .files
        .iter()
        .map(|file| ManifestFile {
            name: file.input.name.clone(),
            digest: file.digests.digest.clone(),
        })
        .collect();
    let manifest = Manifest::new(files).map_err(|error| CliError::Files(error.to_string()))?;
    progress::line(&format!(
        "Hashed {}. Manifest digest {}",
        count(plan.files.len(), "file"),
        manifest.digest()
    ));
    Ok(manifest)
}

fn print_result(
    output: Output,
    plan: &Plan,
    activation: &ActivationView,
    signed: &[signatures::Signed],
) {
    output.result(
        &json!({ "activation": activation, "files": signed }),
        || {
            format!(
                "Signed {} with {} ({}) under activation {}. {}",
                count(signed.len(), "file"),
                printable(&plan.key.label),
                plan.mechanism,
                activation.id(),
                status::status(activation)
            )
        },
    );
}
