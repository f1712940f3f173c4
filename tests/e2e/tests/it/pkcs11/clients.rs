//! Every client in one build: custodians are asked once.

use anyhow::ensure;
use countersign_protocol::{mechanism::Hash, purpose::NewKeyType};

use super::{
    java, mkimage, openssl, others,
    tool::{Bench, say},
};

/// Label of a key that is generated for this.
pub const RSA_4096: &str = "firmware-rsa4096";

#[test]
fn every_client_signs_and_others_verify() -> anyhow::Result<()> {
    let mut bench = Bench::new()?;
    bench
        .deployment
        .generate_key(RSA_4096, NewKeyType::Rsa4096)?;
    bench.custodians = Some(countersign_harness::custodians::Custodians::start(
        &bench.deployment,
        countersign_harness::custodians::Decision::Approve(std::time::Duration::ZERO),
    ));
    bench.make_certificates()?;
    bench.write_public_keys()?;
    let asked = |bench: &Bench| {
        bench
            .custodians
            .as_ref()
            .map_or(0, |custodians| custodians.requests_seen())
    };
    let before = asked(&bench);

    for (name, client) in [
        (
            "OpenSC pkcs11-tool",
            others::pkcs11_tool as fn(&Bench) -> anyhow::Result<()>,
        ),
        ("OpenSSL by libp11", openssl::all),
        ("mkimage and fit_check_sign", mkimage::all),
        ("keytool and jarsigner", java::all),
        ("GnuTLS p11tool", others::p11tool),
        ("osslsigncode and sbsign", others::efi),
        ("OpenSSH", others::ssh),
    ] {
        client(&bench)?;
        say(&format!("{name}: signed and verified"));
    }

    ensure!(
        asked(&bench) == before + 1,
        "custodians were asked {} times for one build",
        asked(&bench) - before
    );
    // What a program hands over as data is in the log by its digest.
    let data = std::fs::read(bench.path("data"))?;
    let digest = Hash::Sha256.digest(&data);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    ensure!(
        bench.signed_digests()?.contains(&digest),
        "the file's digest is not in the audit log"
    );
    raw_rsa(&bench)
}

/// pkcs11-tool's own test signs what is no digest: an admin must have allowed that.
fn raw_rsa(bench: &Bench) -> anyhow::Result<()> {
    use countersign_protocol::hsm::KeySettings;
    let module = bench.module_text()?;
    let mut test = bench.tool("pkcs11-tool")?;
    test.args(["--module", &module, "--login", "--test"]);
    bench.fails(&mut test)?;
    let admin = &bench.deployment.anna().browser;
    for label in [countersign_harness::deployment::RSA_KEY, RSA_4096] {
        let key = bench.key(label)?.fingerprint;
        admin.put_key_settings(&key, &KeySettings { raw_rsa: true })?;
    }
    let text = bench.ok(&mut test)?;
    ensure!(text.contains("No errors"), "{text}");
    say("pkcs11-tool --test: only where raw RSA is allowed");
    Ok(())
}
