//! Every client signs in one build, which needs one approval.

use std::time::Duration;

use anyhow::ensure;
use countersign_harness::{
    custodians::{Custodians, Reaction},
    deployment::RSA_KEY,
};
use countersign_protocol::{
    act::{AllowRawRsa, NewAct},
    mechanism::Hash,
    purpose::NewKeyType,
};

use super::{java, mkimage, openssl, others, tool::Bench};
use crate::say;

/// Label of a key that the test generates.
pub const RSA_4096: &str = "firmware-rsa4096";

#[test]
fn every_client_signs_and_others_verify() -> anyhow::Result<()> {
    let mut bench = Bench::new()?;
    bench
        .deployment
        .generate_key(RSA_4096, NewKeyType::Rsa4096)?;
    bench.custodians = Some(Custodians::start(
        &bench.deployment,
        Reaction::Approve(Duration::ZERO),
    ));
    bench.make_certificates()?;
    bench.write_public_keys()?;
    let requests = |bench: &Bench| {
        bench
            .custodians
            .as_ref()
            .map_or(0, |custodians| custodians.requests_seen())
    };
    let before = requests(&bench);

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
        requests(&bench) == before + 1,
        "one build made {} requests",
        requests(&bench) - before
    );
    // A program may pass data instead of a digest; the audit log lists its digest.
    let data = std::fs::read(bench.path("data"))?;
    let digest = Hash::Sha256.digest(&data);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    ensure!(
        bench.signed_digests()?.contains(&digest),
        "the file's digest is not in the audit log"
    );
    must_need_permission_for_raw_rsa(&bench)
}

/// pkcs11-tool's own test signs data that is not a digest, which works only after an admin has allowed raw RSA.
fn must_need_permission_for_raw_rsa(bench: &Bench) -> anyhow::Result<()> {
    let module = bench.module_text()?;
    let mut test = bench.tool("pkcs11-tool")?;
    test.args(["--module", &module, "--login", "--test"]);
    bench.fails(&mut test)?;
    for label in [RSA_KEY, RSA_4096] {
        let key = bench.key(label)?.fingerprint;
        let allow = NewAct::AllowRawRsa(AllowRawRsa { key });
        let deployment = &bench.deployment;
        deployment.anna().perform(&deployment.helper, &allow)?;
    }
    // The custodians of the open lease did not allow it.
    bench.lock()?;
    let text = bench.ok(&mut test)?;
    ensure!(text.contains("No errors"), "{text}");
    say("pkcs11-tool --test: succeeds only after raw RSA was allowed");
    Ok(())
}
