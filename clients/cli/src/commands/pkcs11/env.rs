//! `countersign pkcs11 env` prints settings for other programs.

use std::ffi::OsString;

use countersign_client::pkcs11::slot_number;
use countersign_protocol::{cvc::PublicKey, hsm::SigningKeyView};
use serde_json::json;

use super::module;
use crate::{
    args::Global,
    connect,
    environment::{assignment, of_options},
    error::CliError,
    output::{Output, printable},
};

pub fn run(global: &Global, output: Output) -> Result<(), CliError> {
    let module = module::required()?.display().to_string();
    let keys = connect::client(global)?.keys()?;
    let variables = of_options(global);
    let engine = module::engine().map_or_else(
        || "/usr/lib/x86_64-linux-gnu/engines-3/pkcs11.so".to_owned(),
        |engine| engine.display().to_string(),
    );
    let tokens: Vec<_> = keys
        .iter()
        .map(|key| {
            json!({ "token": key.hsm, "slot": slot_number(&key.hsm), "object": key.label, "id": key.id, "uri": uri(key) })
        })
        .collect();
    let environment: serde_json::Map<_, _> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value.to_string_lossy())))
        .collect();
    output.result(
        &json!({ "module": module, "environment": environment, "keys": tokens }),
        || text(&module, &engine, &variables, &keys),
    );
    Ok(())
}

/// The key's PKCS#11 URI (RFC 7512).
fn uri(key: &SigningKeyView) -> String {
    format!(
        "pkcs11:token={};object={}",
        escaped(key.hsm.as_str()),
        escaped(&key.label)
    )
}

/// Percent-encodes all but unreserved characters.
fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            byte if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

fn text(
    module: &str,
    engine: &str,
    variables: &[(&str, OsString)],
    keys: &[SigningKeyView],
) -> String {
    let mut out = format!("Module\n  {module}\n");
    if !variables.is_empty() {
        out.push_str("\nServer and configuration, for programs that do not see the options of this command\n");
    }
    for (name, value) in variables {
        out.push_str(&format!("  export {}\n", assignment(name, value)));
    }
    out.push_str("\nKeys\n");
    if keys.is_empty() {
        out.push_str("  No keys yet. An admin can generate one in the portal under HSMs.\n");
    }
    for key in keys {
        let certificate = match &key.certificate {
            Some(certificate) => format!("certificate for {}", printable(&certificate.subject)),
            None => "no certificate yet, `countersign certificate` creates one".to_owned(),
        };
        out.push_str(&format!(
            "  {}\n    {}, slot {}, {certificate}\n",
            uri(key),
            key.kind,
            slot_number(&key.hsm)
        ));
    }
    // mkimage can use RSA keys only, so the examples prefer one.
    let rsa = keys
        .iter()
        .find(|key| matches!(key.public_key, PublicKey::Rsa(_)));
    if let Some(key) = rsa.or(keys.first()) {
        out.push_str(&openssl_examples(module, engine, key));
        out.push_str(&other_examples(module, key));
    }
    out
}

fn openssl_examples(module: &str, engine: &str, key: &SigningKeyView) -> String {
    let (token, object) = (escaped(key.hsm.as_str()), escaped(&key.label));
    let label = printable(&key.label);
    format!(
        "
Reason, which custodians read. Use one reason for a whole build, so that they approve once
  export COUNTERSIGN_REASON=\"Firmware 4.2.1\"

OpenSSL 3 with its pkcs11 engine (package libengine-pkcs11-openssl): openssl.cnf
  openssl_conf = openssl_init
  [openssl_init]
  engines = engines
  [engines]
  pkcs11 = pkcs11
  [pkcs11]
  engine_id = pkcs11
  dynamic_path = {engine}
  MODULE_PATH = {module}
and then
  openssl dgst -engine pkcs11 -keyform engine -sign \"pkcs11:token={token};object={object};type=private\" -sha256 \\
      -out FILE.sig FILE

U-Boot: mkimage signs with RSA keys. Set key-name-hint in the image to the key's label, \"{label}\"
  export PKCS11_MODULE_PATH={module}
  mkimage -f image.its -N pkcs11 -k \"token={token}\" -K control.dtb -r image.fit
"
    )
}

fn other_examples(module: &str, key: &SigningKeyView) -> String {
    let (token, object) = (escaped(key.hsm.as_str()), escaped(&key.label));
    let (label, slot) = (printable(&key.label), slot_number(&key.hsm));
    let id = &key.id;
    format!(
        "
OpenSC
  pkcs11-tool --module {module} --login --sign -m SHA256-RSA-PKCS --id {id} -i FILE -o FILE.sig

Java: countersign.cfg (the key needs a certificate)
  name = Countersign
  library = {module}
  slot = {slot}
and then
  jarsigner -keystore NONE -storetype PKCS11 -protected \\
      -addprovider SunPKCS11 -providerArg countersign.cfg FILE.jar \"{label}\"
or, for programs without such options, change the line of SunPKCS11 in java.security to
  security.provider.N=SunPKCS11 /PATH/countersign.cfg

p11-kit and GnuTLS: countersign.module in /etc/pkcs11/modules or ~/.config/pkcs11/modules
  module: {module}
and then
  p11tool --login --test-sign \"pkcs11:token={token};object={object};type=private\"

Windows and UEFI programs
  osslsigncode sign -pkcs11module {module} \\
      -key \"pkcs11:token={token};object={object};type=private\" -certs CERT.pem -h sha256 -in FILE.exe -out SIGNED.exe
  sbsign --engine pkcs11 --key \"pkcs11:token={token};object={object};type=private\" --cert CERT.pem FILE.efi

OpenSSH
  ssh-keygen -D {module}
  ssh-agent -P \"{module}\" sh -c 'ssh-add -s {module} && ssh-keygen -Y sign -f KEY.pub -n file FILE'
"
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn uris_are_percent_encoded() {
        assert_eq!(super::escaped("Release HSM;1"), "Release%20HSM%3B1");
    }
}
