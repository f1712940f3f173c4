//! What a client of the cloud service does, with open keys and without; openssl verifies its signatures.

use std::{path::Path, process::Command};

use anyhow::{Context, bail, ensure};
use countersign_client::ActivationFilter;
use countersign_harness::stage::{EC_KEY, HSM, RSA_KEY, Stage, StageSetup};
use countersign_protocol::{
    activation::{ActivationView, Join, NewActivation, NewPurpose},
    audit::{Actor, AuditEvent},
    digest::Sha256Digest,
    encoding::Base64,
    id::{ActivationId, HsmId},
    lease::LeaseLimits,
    purpose::Scope,
};
use countersign_simulator::Profile;
use serde_json::{Value, json};

use crate::{credentials::Credentials, curl::Curl, documentation};

const MESSAGE: &str = "Hello World";

fn hash() -> [u8; 32] {
    *Sha256Digest::of(MESSAGE.as_bytes()).as_bytes()
}

#[test]
fn a_client_with_a_token() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = StageSetup::simulated(&folder.path().join("stage"), Profile::VENDOR)?;
    let stage = Stage::build(setup, &mut |_| ())?;
    let token = std::fs::read_to_string(folder.path().join("stage/token"))?;
    let credentials = Credentials::token(&stage.origin(), folder.path(), token.trim())?;
    story(&stage, &Curl(credentials), folder.path())?;
    documentation::all(&stage, folder.path(), token.trim())?;
    let nobody = Curl(Credentials::none(&stage.origin()));
    for path in ["/hsms", "/keys", "/keydomains"] {
        nobody.get(path)?.refused(401, "not-authenticated")?;
    }
    nobody
        .sign_hash("/keys/01", "ECDSA", &hash())?
        .refused(401, "not-authenticated")?;
    Ok(())
}

/// Everything, however the client authenticates. It acts for Doug.
fn story(stage: &Stage, curl: &Curl, folder: &Path) -> anyhow::Result<()> {
    let before = stage.requester.activations(ActivationFilter::Active)?.len();
    let key = locked(curl)?;
    let after = stage.requester.activations(ActivationFilter::Active)?.len();
    ensure!(before == after, "custodians were asked by themselves");

    let id = open(stage)?;
    let read = every_resource(curl)?;
    // The HSM, its domain, two keys by three paths.
    ensure!(read == 8, "{read} resources instead of 8");
    let made = every_signature(curl, folder)?;
    // Two keys by three paths, RSA in two ways; the same again by another path is the same signature.
    ensure!(made == 9, "{made} answers instead of 9");
    let view = stage.requester.activation(&id)?;
    ensure!(view.signatures == 3, "{} counted", view.signatures);
    ensure!(audited(stage, &id)? == 3, "not every signature is audited");
    refusals(curl, &key)?;
    stage.requester.lock(&id)?;
    locked(curl)?;
    Ok(())
}

/// Nothing is listed, and signing says how a key is opened. Returns the path of the EC key.
fn locked(curl: &Curl) -> anyhow::Result<String> {
    for path in ["/hsms", "/keys", "/keydomains"] {
        ensure!(curl.get(path)?.ok()? == json!([]), "{path} is not empty");
    }
    let all = curl.get("/keys?state=all")?.ok()?;
    let keys = all.as_array().context("a list")?;
    ensure!(keys.len() == 2 && keys.iter().all(|key| key["open"] == false));
    let ec = keys
        .iter()
        .find(|key| key["label"] == EC_KEY)
        .context("the EC key")?;
    let path = format!("/keys/{}", text(&ec["id"])?);
    let detail = curl
        .sign_hash(&path, "ECDSA", &hash())?
        .refused(409, "not-open")?;
    ensure!(detail.contains("/api/v1/activations"), "{detail}");
    curl.get(&path)?.refused(404, "not-found")?;
    Ok(path)
}

/// Both keys, for anything.
fn open(stage: &Stage) -> anyhow::Result<ActivationId> {
    let asked = stage.requester.request_activation(&NewActivation {
        hsm: Some(HsmId::new(HSM)),
        purpose: NewPurpose::Sign {
            keys: vec![EC_KEY.into(), RSA_KEY.into()],
            scope: Scope::Open,
        },
        reason: "A client of the cloud service".into(),
        lease: Some(LeaseLimits {
            seconds: 600,
            signatures: 20,
        }),
        collect_seconds: None,
        abandoned_after_seconds: None,
        join: Join::SamePurpose,
    })?;
    let view: ActivationView = stage.authenticate(&[0, 2], &asked.activation.terms.id)?;
    Ok(view.terms.id)
}

fn text(value: &Value) -> anyhow::Result<&str> {
    value.as_str().context("text")
}

fn items(list: &Value) -> anyhow::Result<&Vec<Value>> {
    list.as_array().context("a list")
}

/// Reads lists, and each thing in them by its own address, which must say the same. Returns how many there were.
fn every_resource(curl: &Curl) -> anyhow::Result<usize> {
    let mut read = 0;
    let mut each = |list: &str| -> anyhow::Result<Vec<String>> {
        let all = curl.get(list)?.ok()?;
        let mut paths = Vec::new();
        for item in items(&all)? {
            let path = format!("{list}/{}", text(&item["id"])?);
            ensure!(
                curl.get(&path)?.ok()? == *item,
                "{path} differs from its list"
            );
            read += 1;
            paths.push(path);
        }
        Ok(paths)
    };
    each("/keys")?;
    for parent in ["/hsms", "/keydomains"] {
        for path in each(parent)? {
            each(&format!("{path}/keys"))?;
        }
    }
    Ok(read)
}

/// Signs with every key in every list; returns how many signatures were answered.
fn every_signature(curl: &Curl, folder: &Path) -> anyhow::Result<usize> {
    let mut lists = vec!["/keys".to_owned()];
    for parent in ["/hsms", "/keydomains"] {
        let all = curl.get(parent)?.ok()?;
        for item in items(&all)? {
            lists.push(format!("{parent}/{}/keys", text(&item["id"])?));
        }
    }
    let mut made = 0;
    for list in lists {
        let keys = curl.get(&list)?.ok()?;
        for key in items(&keys)? {
            let path = format!("{list}/{}", text(&key["id"])?);
            let algorithms: &[&str] = match text(&key["type"])? {
                "EC" => &["ECDSA"],
                "RSA" => &["RSA_PKCS1", "RSA_PSS"],
                other => bail!("a key of type {other}"),
            };
            for algorithm in algorithms {
                let answer = curl.sign_hash(&path, algorithm, &hash())?.ok()?;
                let signature = hex::decode(text(&answer["signature"])?)?;
                verify(folder, &key["pubkey"], algorithm, &signature)
                    .with_context(|| format!("{path} {algorithm}"))?;
                made += 1;
            }
        }
    }
    Ok(made)
}

/// By openssl, with the public key that the interface tells.
fn verify(folder: &Path, key: &Value, algorithm: &str, signature: &[u8]) -> anyhow::Result<()> {
    let key: Base64 = serde_json::from_value(key.clone())?;
    std::fs::write(folder.join("key.der"), key.as_bytes())?;
    std::fs::write(folder.join("message"), MESSAGE)?;
    std::fs::write(folder.join("signature"), signature)?;
    let options: &[&str] = match algorithm {
        "RSA_PSS" => &[
            "-sigopt",
            "rsa_padding_mode:pss",
            "-sigopt",
            "rsa_pss_saltlen:digest",
        ],
        _ => &[],
    };
    let output = Command::new("openssl")
        .current_dir(folder)
        .args(["dgst", "-sha256", "-keyform", "DER", "-verify", "key.der"])
        .args(options)
        .args(["-signature", "signature", "message"])
        .output()?;
    ensure!(
        output.status.success(),
        "openssl does not accept it: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Signatures under this activation in the audit log, by Doug's token.
fn audited(stage: &Stage, id: &ActivationId) -> anyhow::Result<usize> {
    let page = stage.people[0].browser.audit(None, 1000)?;
    let signed = page.entries.iter().filter(|entry| {
        matches!(&entry.event, AuditEvent::Signed { activation, .. } if activation == id)
            && matches!(entry.actor, Actor::Token { .. })
    });
    Ok(signed.count())
}

/// What the open keys do not sign, and what is not there.
fn refusals(curl: &Curl, ec: &str) -> anyhow::Result<()> {
    for (algorithm, length) in [
        ("ECDSA", 20),
        ("ECDSA", 31),
        ("RSA_PSS", 32),
        ("ECDSA_SHA256", 32),
    ] {
        curl.sign_hash(ec, algorithm, &vec![1; length])?
            .refused(400, "invalid-request")?;
    }
    for body in [
        "",
        "{}",
        "[]",
        r#"{"algo":"ECDSA"}"#,
        r#"{"hash":"00","algo":1}"#,
    ] {
        curl.post(ec, body.as_bytes())?
            .refused(400, "invalid-request")?;
    }
    for path in ["/hsms/a.b.c", "/keys/FFFF", "/keydomains/00", "/nothing"] {
        curl.get(path)?.refused(404, "not-found")?;
    }
    curl.sign_hash("/keys/FFFF", "ECDSA", &hash())?
        .refused(404, "not-found")?;
    for (method, path) in [
        ("DELETE", ec.to_owned()),
        ("PUT", "/hsms".to_owned()),
        ("GET", format!("{ec}/signhash")),
    ] {
        curl.method(method, &path)?
            .refused(405, "method-not-allowed")?;
    }
    Ok(())
}
