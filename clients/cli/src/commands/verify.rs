//! `countersign verify`.

use std::path::{Path, PathBuf};

use countersign_protocol::{
    cvc::PublicKey,
    mechanism::{Hash, Mechanism},
};
use serde::Serialize;
use serde_json::json;

use crate::{
    args::{Global, Verify},
    connect,
    error::CliError,
    hashing, keys, naming,
    output::{Output, count},
};

/// Limit of a signature's length, in bytes. It is more than any signature needs.
const MAX_SIGNATURE_LENGTH: usize = 16 * 1024;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Verified {
    file: String,
    signature_file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    mechanism: Mechanism,
    valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

pub fn run(args: &Verify, global: &Global, output: Output) -> Result<(), CliError> {
    if args.signature.is_some() && args.files.len() != 1 {
        return Err(CliError::Usage(
            "--signature needs exactly one file".to_owned(),
        ));
    }
    let key = public_key(args, global)?;
    let (mechanism, hash) = keys::mechanism(&key, args.mechanism)?;
    let results: Vec<Verified> = args
        .files
        .iter()
        .map(|file| check(file, args.signature.as_ref(), &key, (mechanism, hash)))
        .collect();
    let invalid: Vec<&Verified> = results.iter().filter(|result| !result.valid).collect();
    if !invalid.is_empty() {
        let mut message = format!(
            "{} of {} could not be verified:",
            invalid.len(),
            count(results.len(), "signature")
        );
        for result in invalid {
            message.push_str(&format!(
                "\n  {}: {}",
                result.file,
                result.why.as_deref().unwrap_or("invalid signature")
            ));
        }
        return Err(CliError::Invalid {
            message,
            files: json!(results),
        });
    }
    let fingerprint = key.fingerprint();
    let document =
        json!({ "key": { "fingerprint": fingerprint, "kind": key.kind() }, "files": results });
    output.result(&document, || {
        let mut text = String::new();
        for result in &results {
            text.push_str(&format!("{}: valid signature\n", result.file));
        }
        text.push_str(&format!(
            "Verified {} ({mechanism}) with {} {fingerprint}",
            count(results.len(), "signature"),
            key.kind()
        ));
        text
    });
    Ok(())
}

fn public_key(args: &Verify, global: &Global) -> Result<PublicKey, CliError> {
    match (&args.pem, &args.key) {
        (Some(pem), _) => keys::read_pem(pem),
        (None, Some(name)) => {
            let known = connect::client(global)?.keys()?;
            Ok(keys::find(&known, name, args.hsm.as_ref())?
                .public_key
                .clone())
        }
        (None, None) => Err(CliError::Usage("--key or --pem is required".to_owned())),
    }
}

fn check(
    file: &Path,
    signature: Option<&PathBuf>,
    key: &PublicKey,
    (mechanism, hash): (Mechanism, Hash),
) -> Verified {
    let signature_file = signature
        .cloned()
        .unwrap_or_else(|| naming::signature_path(file, None));
    let mut result = Verified {
        file: file.display().to_string(),
        signature_file: signature_file.display().to_string(),
        sha256: None,
        mechanism,
        valid: false,
        why: None,
    };
    let outcome = (|| {
        let signature = std::fs::read(&signature_file)
            .map_err(|error| format!("{}: {error}", signature_file.display()))?;
        if signature.len() > MAX_SIGNATURE_LENGTH {
            return Err(format!(
                "{} is not a signature: it has more than {MAX_SIGNATURE_LENGTH} bytes",
                signature_file.display()
            ));
        }
        let hashed = hashing::hash_file(file, hash, |_| ())
            .map_err(|error| format!("{}: {error}", file.display()))?;
        result.sha256 = Some(hashed.sha256.to_string());
        mechanism.verify(key, hashed.digest.as_bytes(), &signature).map_err(|error| {
            format!("{error} (if the signature was made with another mechanism than {mechanism}, use --mechanism)")
        })
    })();
    match outcome {
        Ok(()) => result.valid = true,
        Err(why) => result.why = Some(why),
    }
    result
}
