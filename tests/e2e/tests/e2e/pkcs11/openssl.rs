//! OpenSSL 3 with libp11's engine.

use countersign_harness::deployment::{EC_KEY, RSA_KEY};

use super::tool::{Bench, uri};

const ENGINE: [&str; 4] = ["-engine", "pkcs11", "-keyform", "engine"];

pub fn all(bench: &Bench) -> anyhow::Result<()> {
    for (key, hash, options) in [
        (EC_KEY, "-sha256", None),
        (RSA_KEY, "-sha256", None),
        (RSA_KEY, "-sha384", None),
        (RSA_KEY, "-sha256", Some("rsa_pss_saltlen:digest")),
        (RSA_KEY, "-sha256", Some("rsa_pss_saltlen:max")),
    ] {
        dgst(bench, key, hash, options)?;
    }
    for key in [EC_KEY, RSA_KEY] {
        req(bench, key)?;
        cms(bench, key)?;
    }
    Ok(())
}

pub fn dgst(bench: &Bench, key: &str, hash: &str, salt: Option<&str>) -> anyhow::Result<()> {
    let options: Vec<&str> = salt
        .into_iter()
        .flat_map(|salt| ["-sigopt", "rsa_padding_mode:pss", "-sigopt", salt])
        .collect();
    bench.ok(bench
        .tool("openssl")?
        .arg("dgst")
        .args(ENGINE)
        .args(["-sign", &uri(key), hash])
        .args(&options)
        .args(["-out", "signature", "data"]))?;
    bench.ok(bench
        .tool("openssl")?
        .args(["dgst", hash])
        .args(options.get(..2).unwrap_or_default())
        .args([
            "-verify",
            &format!("{key}.pem"),
            "-signature",
            "signature",
            "data",
        ]))?;
    Ok(())
}

fn req(bench: &Bench, key: &str) -> anyhow::Result<()> {
    let certificate = format!("{key}-req.crt");
    bench.ok(bench
        .tool("openssl")?
        .args([
            "req",
            "-x509",
            "-subj",
            "/CN=Test",
            "-days",
            "2",
            "-key",
            &uri(key),
        ])
        .args(ENGINE)
        .args(["-out", &certificate]))?;
    bench.ok(bench
        .tool("openssl")?
        .args(["verify", "-CAfile", &certificate, &certificate]))?;
    Ok(())
}

fn cms(bench: &Bench, key: &str) -> anyhow::Result<()> {
    let certificate = format!("{key}-req.crt");
    bench.ok(bench
        .tool("openssl")?
        .args([
            "cms",
            "-sign",
            "-binary",
            "-in",
            "data",
            "-inkey",
            &uri(key),
        ])
        .args(ENGINE)
        .args(["-signer", &certificate, "-out", "data.cms"]))?;
    bench.ok(bench.tool("openssl")?.args([
        "cms",
        "-verify",
        "-binary",
        "-purpose",
        "any",
        "-CAfile",
        &certificate,
        "-in",
        "data.cms",
        "-content",
        "data",
        "-out",
        "verified",
    ]))?;
    Ok(())
}
