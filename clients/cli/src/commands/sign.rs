//! `countersign sign`.

mod ask;
mod inputs;
mod make;

use countersign_client::Client;
use countersign_protocol::{
    activation::ActivationView,
    cvc::PublicKey,
    hsm::SigningKeyView,
    id::ActivationId,
    manifest::{Manifest, ManifestFile},
    mechanism::{Hash, Mechanism},
    purpose::{Purpose, Scope},
};
use serde_json::json;

use crate::{
    args::{Global, Sign},
    connect,
    error::CliError,
    hashing::{self, Hashed},
    interrupt::Interrupt,
    keys,
    output::{Output, count, printable},
    progress::{self, Progress},
    wait,
};

use inputs::Input;
pub use make::Partial;

/// Everything that is settled before custodians are asked.
struct Plan {
    key: SigningKeyView,
    mechanism: Mechanism,
    hash: Hash,
    files: Vec<Planned>,
}

/// A file and what will be signed of it.
struct Planned {
    input: Input,
    hashed: Hashed,
}

pub fn run(args: &Sign, global: &Global, output: Output) -> Result<(), CliError> {
    let inputs = inputs::check(&args.files, args.out_dir.as_deref(), args.force)?;
    let client = connect::client(global)?;
    match &args.activation {
        None => sign_new(args, &client, inputs, output),
        Some(id) => sign_under(args, id, &client, inputs, output),
    }
}

/// Asks for an activation of its own.
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
    let scope = if args.open_scope {
        Scope::Open
    } else {
        Scope::Manifest {
            files: manifest(&plan)?,
        }
    };

    let interrupt = Interrupt::install();
    let asked = ask::ask(client, args, &plan, scope)?;
    let id = asked.activation.terms.id.clone();
    let open = wait::until_open(client, asked.activation, !asked.joined, &interrupt)?;
    // A run before this one may have made signatures under the same activation.
    let known = if asked.joined {
        client.signatures(&id)?
    } else {
        Vec::new()
    };
    let signed = make::all(client, &id, &plan, known, args.force, &interrupt)?;
    let activation = make::finish(client, open, !args.open_scope);
    done(output, &plan, &activation, &signed);
    Ok(())
}

/// Signs under an activation that is there already.
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
            "activation {id} is for generating a key, not for signing"
        )));
    };
    let name = match (&args.key, approved.only()) {
        (Some(name), _) => name.clone(),
        (None, Some(only)) => only.fingerprint.to_hex(),
        (None, None) => {
            return Err(CliError::Usage(format!(
                "activation {id} is for several keys: choose with --key one of {}",
                printable(&approved.to_string())
            )));
        }
    };
    let known = client.keys()?;
    let terms = &activation.terms;
    // Of a pool, not every HSM needs to be there.
    let only = terms.pool.is_none().then_some(&terms.hsm.id);
    let key = keys::find(&known, &name, only)?;
    if approved.get(&key.fingerprint).is_none() {
        return Err(CliError::Key(format!(
            "activation {id} is for {}, not for `{name}`",
            printable(&approved.to_string())
        )));
    }
    let wanted = args.mechanism.or_else(|| listed(&key.public_key, scope));
    let (mechanism, hash_algorithm) = keys::mechanism(&key.public_key, wanted)?;
    let plan = Plan {
        key: key.clone(),
        mechanism,
        hash: hash_algorithm,
        files: hash(inputs, hash_algorithm)?,
    };
    if let Scope::Manifest { files: manifest } = scope {
        let files: Vec<String> = plan
            .files
            .iter()
            .filter(|file| !manifest.contains(&file.hashed.digest))
            .map(|file| file.input.name.clone())
            .collect();
        if !files.is_empty() {
            return Err(CliError::NotInManifest {
                id: id.clone(),
                files,
                others: others(manifest, key, hash_algorithm),
            });
        }
    }
    let known = client.signatures(id)?;
    if !make::covered(&plan, &known) {
        wait::require_open(&activation)?;
    }
    let interrupt = Interrupt::install();
    let signed = make::all(client, id, &plan, known, args.force, &interrupt)?;
    let activation = make::finish(client, activation, false);
    done(output, &plan, &activation, &signed);
    Ok(())
}

/// How to sign where the list has no digest of the usual hash function.
fn listed(key: &PublicKey, scope: &Scope) -> Option<Mechanism> {
    let Scope::Manifest { files } = scope else {
        return None;
    };
    let usual = keys::usual(key);
    let mut hashes = files.files().iter().map(|file| file.digest.hash());
    let first = hashes.clone().next()?;
    if hashes.any(|hash| Some(hash) == usual.hash()) {
        return None;
    }
    Mechanism::new(usual.scheme(), first)
}

/// The key's mechanisms for what the list has by other hash functions than this.
fn others(manifest: &Manifest, key: &SigningKeyView, hash: Hash) -> Vec<Mechanism> {
    let is_other = |mechanism: &Mechanism| {
        let mut digests = manifest.files().iter().map(|file| file.digest.hash());
        mechanism.hash() != Some(hash) && digests.any(|listed| Some(listed) == mechanism.hash())
    };
    let possible = Mechanism::of_key(&key.public_key);
    possible.into_iter().filter(is_other).collect()
}

fn hash(inputs: Vec<Input>, hash: Hash) -> Result<Vec<Planned>, CliError> {
    let bytes = inputs.iter().map(|input| input.length).sum();
    let progress = Progress::hashing(bytes);
    let mut files = Vec::with_capacity(inputs.len());
    for input in inputs {
        let hashed = hashing::hash_file(&input.path, hash, |bytes| progress.advance(bytes))
            .map_err(|error| CliError::Files(format!("{}: {error}", input.path.display())))?;
        files.push(Planned { input, hashed });
    }
    Ok(files)
}

fn manifest(plan: &Plan) -> Result<Manifest, CliError> {
    let files = plan
        .files
        .iter()
        .map(|file| ManifestFile {
            name: file.input.name.clone(),
            digest: file.hashed.digest.clone(),
        })
        .collect();
    let manifest = Manifest::new(files).map_err(|error| CliError::Files(error.to_string()))?;
    progress::line(&format!(
        "Hashed {}; manifest {}",
        count(plan.files.len(), "file"),
        manifest.digest()
    ));
    Ok(manifest)
}

fn done(output: Output, plan: &Plan, activation: &ActivationView, signed: &[make::Signed]) {
    output.result(
        &json!({ "activation": activation, "files": signed }),
        || {
            format!(
                "Signed {} with {} ({}) under activation {}. {}",
                count(signed.len(), "file"),
                printable(&plan.key.label),
                plan.mechanism,
                activation.terms.id,
                crate::status::line(activation)
            )
        },
    );
}
