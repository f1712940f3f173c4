//! What a client of the cloud service does, with open keys and without. OpenSSL verifies its signatures.

use std::{path::Path, process::Command};

use anyhow::{Context, bail, ensure};
use countersign_client::ActivationFilter;
use countersign_harness::deployment::{Deployment, DeploymentSetup, EC_KEY, HSM, RSA_KEY};
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

use super::{credentials::Credentials, curl::Curl};

const MESSAGE: &str = "Hello World";

fn hash() -> [u8; 32] {
    *Sha256Digest::of(MESSAGE.as_bytes()).as_bytes()
}

#[test]
fn a_client_of_the_cloud_service_signs_with_a_token() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = DeploymentSetup::simulated(&folder.path().join("deployment"), Profile::VENDOR)?;
    let deployment = Deployment::build(setup, &mut |_| ())?;
    let token = std::fs::read_to_string(folder.path().join("deployment/token"))?;
    let credentials = Credentials::token(&deployment.origin(), folder.path(), token.trim())?;
    story(&deployment, &Curl(credentials), folder.path())?;
    let anonymous = Curl(Credentials::none(&deployment.origin()));
    for path in ["/hsms", "/keys", "/keydomains"] {
        anonymous.get(path)?.problem(401, "not-authenticated")?;
    }
    anonymous
        .sign_hash("/keys/01", "ECDSA", &hash())?
        .problem(401, "not-authenticated")?;
    Ok(())
}

/// Does everything with any kind of credentials. The client acts for Doug.
fn story(deployment: &Deployment, curl: &Curl, folder: &Path) -> anyhow::Result<()> {
    let before = deployment
        .requester
        .activations(ActivationFilter::Active)?
        .len();
    let key = locked(curl)?;
    let after = deployment
        .requester
        .activations(ActivationFilter::Active)?
        .len();
    ensure!(before == after, "reading requested an activation");

    let id = open(deployment)?;
    let read = every_resource(curl)?;
    // The HSM, its key domain, and two keys by three paths each.
    ensure!(read == 8, "read {read} resources instead of 8");
    let made = every_signature(curl, folder)?;
    // Two keys by three paths, RSA with two mechanisms. A repeated request by another path returns the same signature.
    ensure!(made == 9, "{made} signatures were returned instead of 9");
    let view = deployment.requester.activation(&id)?;
    ensure!(
        view.signatures == 3,
        "{} signatures counted instead of 3",
        view.signatures
    );
    ensure!(
        audited(deployment, &id)? == 3,
        "the audit log does not list every signature"
    );
    refusals(curl, &key)?;
    deployment.requester.lock(&id)?;
    locked(curl)?;
    Ok(())
}

/// Checks that no key is listed and that signing explains how to open a key. Returns the path of the EC key.
fn locked(curl: &Curl) -> anyhow::Result<String> {
    for path in ["/hsms", "/keys", "/keydomains"] {
        ensure!(curl.get(path)?.ok()? == json!([]), "{path} is not empty");
    }
    let all = curl.get("/keys?state=all")?.ok()?;
    let keys = all.as_array().context("expected a list")?;
    ensure!(keys.len() == 2 && keys.iter().all(|key| key["open"] == false));
    let ec = keys
        .iter()
        .find(|key| key["label"] == EC_KEY)
        .context("the EC key is not listed")?;
    let path = format!("/keys/{}", text(&ec["id"])?);
    let detail = curl
        .sign_hash(&path, "ECDSA", &hash())?
        .problem(409, "not-open")?;
    ensure!(detail.contains("/api/v1/activations"), "{detail}");
    curl.get(&path)?.problem(404, "not-found")?;
    Ok(path)
}

/// Opens both keys for any content.
fn open(deployment: &Deployment) -> anyhow::Result<ActivationId> {
    let requested = deployment.requester.request_activation(&NewActivation {
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
        approval_seconds: None,
        abandoned_after_seconds: None,
        join: Join::SamePurpose,
    })?;
    let view: ActivationView = deployment.approve(
        &requested.activation.id(),
        [deployment.anna(), deployment.carla()],
    )?;
    Ok(view.id())
}

fn text(value: &Value) -> anyhow::Result<&str> {
    value.as_str().context("expected a string")
}

fn items(list: &Value) -> anyhow::Result<&Vec<Value>> {
    list.as_array().context("expected a list")
}

/// Reads every list and each of its items by the item's own path, which must return the same. Returns the number of items.
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

/// Signs with every key of every list. Returns the number of signatures.
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
                other => bail!("unexpected key type {other}"),
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

/// Verifies with OpenSSL and the public key that the interface returns.
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
        "openssl rejects the signature: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Counts the audit log's signatures of Doug's token under this activation.
fn audited(deployment: &Deployment, id: &ActivationId) -> anyhow::Result<usize> {
    let page = deployment.anna().browser.audit(None, 1000)?;
    let signed = page.entries.iter().filter(|entry| {
        matches!(&entry.event, AuditEvent::Signed { activation, .. } if activation.activation() == *id)
            && matches!(entry.actor, Actor::Token { .. })
    });
    Ok(signed.count())
}

/// Sends requests that must be rejected although the keys are open.
fn refusals(curl: &Curl, ec: &str) -> anyhow::Result<()> {
    for (algorithm, length) in [
        ("ECDSA", 20),
        ("ECDSA", 31),
        ("RSA_PSS", 32),
        ("ECDSA_SHA256", 32),
    ] {
        curl.sign_hash(ec, algorithm, &vec![1; length])?
            .problem(400, "invalid-request")?;
    }
    for body in [
        "",
        "{}",
        "[]",
        r#"{"algo":"ECDSA"}"#,
        r#"{"hash":"00","algo":1}"#,
    ] {
        curl.post(ec, body.as_bytes())?
            .problem(400, "invalid-request")?;
    }
    for path in ["/hsms/a.b.c", "/keys/FFFF", "/keydomains/00", "/nothing"] {
        curl.get(path)?.problem(404, "not-found")?;
    }
    curl.sign_hash("/keys/FFFF", "ECDSA", &hash())?
        .problem(404, "not-found")?;
    for (method, path) in [
        ("DELETE", ec.to_owned()),
        ("PUT", "/hsms".to_owned()),
        ("GET", format!("{ec}/signhash")),
    ] {
        curl.method(method, &path)?
            .problem(405, "method-not-allowed")?;
    }
    Ok(())
}
