//! A build of many processes: they find each other's activation, and only theirs.

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
fn a_build_asks_once_and_the_same_input_counts_once() -> anyhow::Result<()> {
    let bench = Bench::with_agreeing_custodians()?;
    let asked = || {
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
    ensure!(asked() == 1, "asked {} times", asked());
    let first = bench.activation()?;
    // Every process logged out or just ended, and the lease is still there.
    ensure!(
        first.signatures == 3 && !first.state.is_ended(),
        "{} signatures, {}",
        first.signatures,
        first.state.as_str()
    );
    bench.lock()?;
    // Another reason is another matter.
    sign(&bench, "Build 2", RSA_KEY, "data")?;
    ensure!(asked() == 2, "asked {} times", asked());
    bench.lock()?;
    // Only the key that is wanted, where the settings name it.
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
        anyhow::bail!("not for signing");
    };
    ensure!(
        keys.only().is_some_and(|key| key.label == RSA_KEY),
        "{keys}"
    );
    Ok(())
}

/// A setting moves the wait to the first C_SignInit: nothing asks for a PIN, and only the key in use is asked for.
#[test]
fn the_first_signature_can_be_what_waits() -> anyhow::Result<()> {
    let bench = Bench::with_agreeing_custodians()?;
    let module = bench.module_text()?;
    let key = bench.key(EC_KEY)?;
    let list = bench.ok(bench
        .tool("pkcs11-tool")?
        .args(["--module", &module, "-O"])
        .env("COUNTERSIGN_WAIT_IN", "sign"))?;
    ensure!(list.contains("Private Key Object"), "{list}");
    ensure!(bench.activation().is_err(), "listing asked custodians");
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
        anyhow::bail!("not for signing");
    };
    ensure!(keys.only().is_some_and(|key| key.label == EC_KEY), "{keys}");
    Ok(())
}
