//! `countersign certificate`.

mod self_signed;

use countersign_client::Client;
use countersign_protocol::{
    activation::{ActivationView, Join, NewActivation, NewPurpose},
    digest::Sha256Digest,
    hsm::SigningKeyView,
    manifest::{Manifest, ManifestFile},
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
    output::{Output, printable},
    wait, write,
};

use self_signed::Unsigned;

pub fn run(args: &Certificate, global: &Global, output: Output) -> Result<(), CliError> {
    if let Some(file) = &args.out {
        let unwritable = |error| {
            let file = file.display();
            CliError::Files(format!(
                "nobody was asked: {file} cannot be written: {error}"
            ))
        };
        write::check(file).map_err(unwritable)?;
    }
    let client = connect::client(global)?;
    let known = client.keys()?;
    let key = keys::find(&known, &args.key, args.hsm.as_ref())?;
    if let Some(certificate) = &key.certificate {
        return Err(CliError::Key(format!(
            "the key `{}` has a certificate already, for {}: an admin can remove it in the portal",
            printable(&key.label),
            printable(&certificate.subject)
        )));
    }
    let (mechanism, _) = keys::mechanism(&key.public_key, None)?;
    let subject = args.subject.parse().map_err(|_| {
        CliError::Usage(format!(
            "`{}` is no name: it looks like \"CN=Firmware signing,O=Example\"",
            printable(&args.subject)
        ))
    })?;
    let unsigned = Unsigned::new(&key.public_key, subject, args.days)
        .map_err(|error| CliError::Usage(format!("no certificate can be made: {error}")))?;

    let interrupt = Interrupt::install();
    let activation = ask(&client, args, key, &unsigned)?;
    let open = wait::until_open(&client, activation, true, &interrupt)?;
    let digest = Sha256Digest::of(unsigned.to_be_signed());
    let request = SignRequest {
        key: Some(key.fingerprint),
        ..SignRequest::new(mechanism, digest.as_bytes().to_vec())
    };
    let made = client.sign(&open.terms.id, &request)?;
    if request
        .verify(&key.public_key, made.signature.as_bytes())
        .is_err()
    {
        return Err(CliError::Untrue(
            "the server's signature does not verify with the key: tell an admin".into(),
        ));
    }
    let subject = unsigned.subject();
    let (der, pem) = unsigned
        .signed(made.signature.as_bytes())
        .map_err(|error| CliError::Key(format!("the certificate cannot be assembled: {error}")))?;
    // Made is made: where one place fails, it goes to the other, and is printed.
    let written = args.out.as_ref().map_or(Ok(()), |file| {
        write::write(file, pem.as_bytes(), true)
            .map_err(|error| CliError::Files(format!("{}: {error}", file.display())))
    });
    let kept = client.put_certificate(&key.fingerprint, der);
    if let Err(cause) = kept.map_err(CliError::from).and(written) {
        let cause = Box::new(cause);
        return Err(CliError::Certificate { cause, pem });
    }
    output.result(
        &json!({ "key": key.fingerprint, "subject": subject, "pem": pem, "activation": open.terms.id }),
        || {
            format!(
                "The key {} has a certificate for {}, valid for {} days; programs see it through PKCS#11\n{pem}",
                printable(&key.label),
                printable(&subject),
                args.days
            )
        },
    );
    Ok(())
}

fn ask(
    client: &Client,
    args: &Certificate,
    key: &SigningKeyView,
    unsigned: &Unsigned,
) -> Result<ActivationView, CliError> {
    let file = ManifestFile {
        name: format!("certificate of {} for itself", unsigned.subject()),
        digest: Sha256Digest::of(unsigned.to_be_signed()).into(),
    };
    let files = Manifest::new(vec![file]).map_err(|error| CliError::Usage(error.to_string()))?;
    let reason = args.reason.clone().unwrap_or_else(|| {
        format!(
            "A certificate for the key {}, which programs such as Java want to see",
            key.label
        )
    });
    let asked = client.request_activation(&NewActivation {
        hsm: Some(key.hsm.clone()),
        purpose: NewPurpose::Sign {
            keys: vec![key.fingerprint.to_hex()],
            scope: Scope::Manifest { files },
        },
        reason,
        lease: None,
        collect_seconds: args.collect_seconds,
        abandoned_after_seconds: wait::abandoned_after(),
        join: Join::SamePurpose,
    })?;
    wait::announce(&asked);
    Ok(asked.activation)
}
