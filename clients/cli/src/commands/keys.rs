//! `countersign keys`.

use countersign_protocol::{hsm::SigningKeyView, mechanism::Mechanism};
use serde_json::json;

use crate::{
    args::{Global, Keys},
    connect,
    error::CliError,
    keys,
    output::{Output, printable, table},
};

pub fn run(args: &Keys, global: &Global, output: Output) -> Result<(), CliError> {
    let client = connect::client(global)?;
    let mut known = client.keys()?;
    if let Some(name) = &args.pem {
        let key = keys::find(&known, name, args.hsm.as_ref())?;
        let pem = key.public_key.to_spki_pem();
        output.result(&json!({ "key": key, "pem": pem }), || pem.clone());
        return Ok(());
    }
    if let Some(hsm) = &args.hsm
        && known.iter().all(|key| key.hsm != *hsm)
        && client.hsms()?.iter().all(|known| known.id != *hsm)
    {
        return Err(keys::no_key_on_hsm(&known, hsm));
    }
    known.retain(|key| args.hsm.as_ref().is_none_or(|hsm| key.hsm == *hsm));
    output.result(&json!({ "keys": known }), || {
        if known.is_empty() {
            let place = args.hsm.as_ref().map(|hsm| format!(" on HSM {hsm}"));
            format!(
                "No keys{} yet. An admin can generate one in the portal under HSMs.",
                place.unwrap_or_default()
            )
        } else {
            let headings = [
                "HSM",
                "KEY",
                "TYPE",
                "FINGERPRINT",
                "ATTESTED",
                "USES LEFT",
                "MECHANISMS",
            ];
            table(&headings, &known.iter().map(row).collect::<Vec<_>>())
        }
    });
    Ok(())
}

fn row(key: &SigningKeyView) -> Vec<String> {
    let mechanisms: Vec<&str> = key
        .mechanisms
        .iter()
        .copied()
        .map(Mechanism::as_str)
        .collect();
    vec![
        printable(key.hsm.as_str()),
        printable(&key.label),
        printable(&key.kind),
        key.fingerprint.to_hex(),
        if key.attested { "yes" } else { "no" }.to_owned(),
        key.uses_left
            .map_or_else(|| "-".to_owned(), |left| left.to_string()),
        mechanisms.join(" "),
    ]
}
