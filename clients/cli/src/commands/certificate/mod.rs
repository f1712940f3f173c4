//! `countersign certificate`.

mod self_signed;

use countersign_client::Client;
use countersign_protocol::{
    activation::{ActivationView, Join, NewActivation, NewPurpose},
    digest::Sha256Digest,
    hsm::SigningKeyView,
    id::ActivationId,
    manifest::{Manifest, ManifestFile},
    mechanism::Mechanism,
    purpose::Scope,
    signature::SignRequest,
};
use serde_json::json;

use crate::{
    args::{Certificate, Global},
    connect,
    error::CliError,
    interrupt::Interrupt,
    keys,
    output::{Output, count, printable},
    wait, write,
};

use self_signed::Unsigned;

pub fn run(args: &Certificate, global: &Global, output: Output) -> Result<(), CliError> {
    if let Some(file) = &args.out {
        let unwritable = |error| {
            let file = file.display();
            CliError::Files(format!(
                "cannot write {file}: {error}. No approval was requested"
            ))
        };
        write::check(file).map_err(unwritable)?;
    }
    let client = connect::client(global)?;
    let known = client.keys()?;
    let key = keys::find(&known, &args.key, args.hsm.as_ref())?;
    if let Some(certificate) = &key.certificate {
        return Err(CliError::Key(format!(
            "key `{}` already has a certificate for {}: an admin can remove it in the portal",
            printable(&key.label),
            printable(&certificate.subject)
        )));
    }
    let (mechanism, _) = keys::mechanism(&key.public_key, None)?;
    let subject = args.subject.parse().map_err(|_| {
        CliError::Usage(format!(
            "invalid subject `{}`: expected a name such as \"CN=Firmware signing,O=Example\"",
            printable(&args.subject)
        ))
    })?;
    let unsigned = Unsigned::new(&key.public_key, subject, args.days)
        .map_err(|error| CliError::Usage(format!("cannot create the certificate: {error}")))?;

    let interrupt = Interrupt::install();
    let activation = request_activation(&client, args, key, &unsigned)?;
    let open = wait::until_open(&client, activation, true, &interrupt)?;
    let signature = sign(&client, &open.id(), key, mechanism, &unsigned)?;
    let subject = unsigned.subject();
    let (der, pem) = unsigned
        .signed(&signature)
        .map_err(|error| CliError::Key(format!("cannot encode the certificate: {error}")))?;
    // Both destinations are tried, and after a failure the certificate is printed, so that it is never lost.
    let written = args.out.as_ref().map_or(Ok(()), |file| {
        write::write(file, pem.as_bytes(), true)
            .map_err(|error| CliError::Files(format!("{}: {error}", file.display())))
    });
    let stored = client.put_certificate(&key.fingerprint, der);
    if let Err(cause) = stored.map_err(CliError::from).and(written) {
        let cause = Box::new(cause);
        return Err(CliError::Certificate { cause, pem });
    }
    output.result(
        &json!({ "key": key.fingerprint, "subject": subject, "pem": pem, "activation": open.id() }),
        || {
            format!(
                "Key {} has a certificate for {}, valid for {}. Programs see it through PKCS#11.\n{pem}",
                printable(&key.label),
                printable(&subject),
                count(args.days, "day")
            )
        },
    );
    Ok(())
}

fn sign(
    client: &Client,
    id: &ActivationId,
    key: &SigningKeyView,
    mechanism: Mechanism,
    unsigned: &Unsigned,
) -> Result<Vec<u8>, CliError> {
    let digest = Sha256Digest::of(unsigned.to_be_signed());
    let request = SignRequest {
        key: Some(key.fingerprint),
        ..SignRequest::new(mechanism, digest.as_bytes().to_vec())
    };
    let signature = client
        .sign(id, &request)
        .map_err(|error| wait::explain(client, id, error))?
        .signature
        .0;
    if request.verify(&key.public_key, &signature).is_err() {
        return Err(CliError::Untrusted(
            "the signature that the server returned is invalid: report this to an admin".into(),
        ));
    }
    Ok(signature)
}

fn request_activation(
    client: &Client,
    args: &Certificate,
    key: &SigningKeyView,
    unsigned: &Unsigned,
) -> Result<ActivationView, CliError> {
    let file = ManifestFile {
        name: format!("self-signed certificate for {}", unsigned.subject()),
        digest: Sha256Digest::of(unsigned.to_be_signed()).into(),
    };
    let files = Manifest::new(vec![file]).map_err(|error| CliError::Usage(error.to_string()))?;
    let reason = args.reason.clone().unwrap_or_else(|| {
        format!(
            "Self-signed certificate for key {}, needed by programs such as Java",
            key.label
        )
    });
    let requested = client.request_activation(&NewActivation {
        hsm: Some(key.hsm.clone()),
        purpose: NewPurpose::Sign {
            keys: vec![key.fingerprint.to_hex()],
            scope: Scope::Manifest { files },
        },
        reason,
        lease: None,
        approval_seconds: args.approval_seconds,
        abandoned_after_seconds: wait::abandoned_after(),
        join: Join::SamePurpose,
    })?;
    wait::announce(&requested);
    Ok(requested.activation)
}
