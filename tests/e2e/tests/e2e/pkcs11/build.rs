//! A build of many processes, which share one activation because they give the same reason.

use anyhow::ensure;
use countersign_harness::deployment::{EC_KEY, RSA_KEY};

use super::tool::{Bench, uri};

fn sign(bench: &Bench, reason: &str, key: &str, file: &str) -> anyhow::Result<String> {
    bench.ok(bench
        .tool("openssl")?
        .args([
            "dgst",
            "-engine",
            "pkcs11",
            "-keyform",
            "engine",
            "-sha256",
            "-sign",
            &uri(key),
        ])
        .args(["-out", "signature", file])
        .env("COUNTERSIGN_REASON", reason))
}

#[test]
fn a_build_requests_once_and_repeated_input_counts_once() -> anyhow::Result<()> {
    let bench = Bench::with_approving_custodians()?;
    let requests = || {
        bench
            .custodians
            .as_ref()
            .map_or(0, |custodians| custodians.requests_seen())
    };
    std::fs::write(bench.path("other"), "something else")?;
    sign(&bench, "Build 1", EC_KEY, "data")?;
    sign(&bench, "Build 1", RSA_KEY, "data")?;
    sign(&bench, "Build 1", RSA_KEY, "data")?;
    sign(&bench, "Build 1", RSA_KEY, "other")?;
    ensure!(requests() == 1, "{} requests instead of 1", requests());
    let first = bench.activation()?;
    // Every process logged out or exited, and the lease is still open.
    ensure!(
        first.signatures == 3 && !first.state.is_ended(),
        "{} signatures, {}",
        first.signatures,
        first.state.as_str()
    );
    bench.lock()?;
    // Another reason needs another activation.
    sign(&bench, "Build 2", RSA_KEY, "data")?;
    ensure!(requests() == 2, "{} requests instead of 2", requests());
    bench.lock()?;
    // If the settings name a key, only that key is requested.
    bench.ok(bench
        .tool("openssl")?
        .args([
            "dgst",
            "-engine",
            "pkcs11",
            "-keyform",
            "engine",
            "-sha256",
            "-sign",
            &uri(RSA_KEY),
        ])
        .args(["-out", "signature", "data"])
        .env("COUNTERSIGN_KEYS", RSA_KEY))?;
    let countersign_protocol::purpose::Purpose::Sign { keys, .. } =
        bench.activation()?.terms.purpose
    else {
        anyhow::bail!("the activation is not for signing");
    };
    ensure!(
        keys.only().is_some_and(|key| key.label == RSA_KEY),
        "{keys}"
    );
    Ok(())
}

/// `COUNTERSIGN_WAIT_IN=sign` moves the wait to the first `C_SignInit`: nothing prompts for a PIN, and only the key in use is
/// requested.
#[test]
fn the_first_signature_can_wait_instead_of_the_log_in() -> anyhow::Result<()> {
    let bench = Bench::with_approving_custodians()?;
    let module = bench.module_text()?;
    let key = bench.key(EC_KEY)?;
    let list = bench.ok(bench
        .tool("pkcs11-tool")?
        .args(["--module", &module, "-O"])
        .env("COUNTERSIGN_WAIT_IN", "sign"))?;
    ensure!(list.contains("Private Key Object"), "{list}");
    ensure!(
        bench.activation().is_err(),
        "listing objects requested an activation"
    );
    bench.ok(bench
        .tool("pkcs11-tool")?
        .args([
            "--module",
            &module,
            "--sign",
            "-m",
            "ECDSA-SHA256",
            "--id",
            &key.id,
        ])
        .args(["-i", "data", "-o", "signature"])
        .env("COUNTERSIGN_WAIT_IN", "sign"))?;
    let countersign_protocol::purpose::Purpose::Sign { keys, .. } =
        bench.activation()?.terms.purpose
    else {
        anyhow::bail!("the activation is not for signing");
    };
    ensure!(keys.only().is_some_and(|key| key.label == EC_KEY), "{keys}");
    Ok(())
}
