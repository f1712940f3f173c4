//! `countersign record`: record a build, request approval of its digests, sign.

use std::time::Duration;

use anyhow::ensure;
use countersign_harness::{
    custodians::{Custodians, Reaction},
    deployment::{EC_KEY, RSA_KEY},
};
use countersign_protocol::{
    activation::EndReason,
    mechanism::Hash,
    purpose::{Purpose, Scope},
};

use super::{
    mkimage::{self, Configuration},
    tool::{Bench, uri},
};

/// Placeholder that the module returns instead of a signature while it records.
const PLACEHOLDER: &[u8] = b"NOT A SIGNATURE";

fn has_placeholder(bench: &Bench) -> anyhow::Result<bool> {
    let image = std::fs::read(bench.path("image.fit"))?;
    Ok(image
        .windows(PLACEHOLDER.len())
        .any(|window| window == PLACEHOLDER))
}

fn prepare(bench: &Bench) -> anyhow::Result<()> {
    let node = |pss| Configuration {
        key: RSA_KEY,
        bits: 2048,
        pss,
    };
    mkimage::write_source(bench, &[node(false), node(false), node(false)])?;
    mkimage::fresh_control_tree(bench)
}

#[test]
fn an_unchanged_build_is_recorded_approved_and_signed() -> anyhow::Result<()> {
    let bench = Bench::with_approving_custodians()?;
    prepare(&bench)?;
    let text = bench.ok(bench
        .program("countersign")?
        .args(["record", "--reason", "Image 1", "--", "mkimage"])
        .args(mkimage::arguments()))?;
    let view = bench.activation()?;
    let Purpose::Sign {
        scope: Scope::Manifest { files },
        keys,
    } = &view.terms.purpose
    else {
        anyhow::bail!("the request has no manifest: {text}");
    };
    ensure!(
        keys.only().is_some_and(|key| key.label == RSA_KEY),
        "{keys}"
    );
    ensure!(
        files
            .files()
            .iter()
            .all(|file| file.name.contains("mkimage image.its")),
        "{files:?}"
    );
    ensure!(
        usize::try_from(view.signatures)? == files.distinct(),
        "{} signatures for {} digests",
        view.signatures,
        files.distinct()
    );
    ensure!(bench.end()? == EndReason::Completed, "{:?}", bench.end()?);
    ensure!(
        !has_placeholder(&bench)?,
        "the image still contains the placeholder"
    );
    for node in 0..3 {
        bench.ok(&mut mkimage::verify(&bench, node))?;
    }
    Ok(())
}

/// Builds choose their hash functions: jarsigner, for example, uses SHA-384 for large keys.
#[test]
fn every_hash_function_is_recorded() -> anyhow::Result<()> {
    let bench = Bench::with_approving_custodians()?;
    bench.write_public_keys()?;
    let signs = |key: &str, hash: &str| {
        format!(
            "openssl dgst -engine pkcs11 -keyform engine -sign '{}' -{hash} -out {key}-{hash} data\n",
            uri(key)
        )
    };
    let wanted = [(RSA_KEY, "sha384"), (RSA_KEY, "sha256"), (EC_KEY, "sha256")];
    let script: String = wanted.iter().map(|(key, hash)| signs(key, hash)).collect();
    std::fs::write(bench.path("build.sh"), script)?;
    bench.ok(bench.program("countersign")?.args([
        "record", "--reason", "Build 4", "--", "sh", "-e", "build.sh",
    ]))?;
    ensure!(bench.end()? == EndReason::Completed, "{:?}", bench.end()?);
    for (key, hash) in wanted {
        bench.ok(bench
            .tool("openssl")?
            .args(["dgst", &format!("-{hash}"), "-verify"])
            .arg(format!("{key}.pem"))
            .args(["-signature", &format!("{key}-{hash}"), "data"]))?;
    }
    Ok(())
}

#[test]
fn an_unrecorded_digest_is_rejected_and_named() -> anyhow::Result<()> {
    let bench = Bench::with_approving_custodians()?;
    prepare(&bench)?;
    // The second run signs another kernel.
    std::fs::write(
        bench.path("build.sh"),
        "if [ -e ran ]; then echo more >> kernel.bin; fi; touch ran; exec mkimage \"$@\"\n",
    )?;
    let text = bench.fails(
        bench
            .program("countersign")?
            .args(["record", "--reason", "Image 2", "--", "sh", "build.sh"])
            .args(mkimage::arguments()),
    )?;
    let view = bench.activation()?;
    let Purpose::Sign {
        scope: Scope::Manifest { files },
        ..
    } = &view.terms.purpose
    else {
        anyhow::bail!("the request has no manifest: {text}");
    };
    ensure!(view.signatures == 0 && view.state.is_ended(), "{text}");
    // The message names the rejected digest, which is not an approved one.
    let rejected = text
        .lines()
        .filter(|line| line.contains("was not recorded"))
        .flat_map(str::split_whitespace)
        .find(|word| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let rejected = rejected.unwrap_or_default();
    ensure!(!rejected.is_empty(), "{text}");
    ensure!(
        files
            .files()
            .iter()
            .all(|file| file.digest.to_string() != rejected),
        "{rejected} was approved"
    );
    Ok(())
}

#[test]
fn an_unrecorded_hash_function_is_rejected_and_named() -> anyhow::Result<()> {
    let bench = Bench::with_approving_custodians()?;
    let module = bench.module_text()?;
    let id = bench.key(RSA_KEY)?.id;
    let signs = |mechanism| {
        format!(
            "pkcs11-tool --module '{module}' --login --sign --id {id} -m {mechanism} -i data -o signature"
        )
    };
    std::fs::write(
        bench.path("build.sh"),
        format!(
            "if [ -e ran ]; then {}; fi; touch ran; {}\n",
            signs("SHA384-RSA-PKCS"),
            signs("SHA256-RSA-PKCS")
        ),
    )?;
    let text = bench.fails(bench.program("countersign")?.args([
        "record", "--reason", "Build 5", "--", "sh", "-e", "build.sh",
    ]))?;
    let digest = Hash::Sha384.digest(&std::fs::read(bench.path("data"))?);
    let digest = format!("sha384:{} ", hex::encode(digest));
    let named = text
        .lines()
        .any(|line| line.contains("was not recorded") && line.contains(&digest));
    ensure!(named && text.contains("CKR_DATA_INVALID"), "{text}");
    Ok(())
}

/// A user who set the variable by mistake sees a message, wherever the module would have waited.
#[test]
fn the_module_announces_that_it_records() -> anyhow::Result<()> {
    let bench = Bench::new()?;
    let module = bench.module_text()?;
    let id = bench.key(RSA_KEY)?.id;
    for (wait_in, login) in [("login", Some("--login")), ("sign", None)] {
        std::fs::write(bench.path("recording"), "")?;
        let text = bench.ok(bench
            .tool("pkcs11-tool")?
            .args(["--module", &module, "--sign", "-m", "SHA256-RSA-PKCS"])
            .args(login)
            .args(["--id", &id, "-i", "data", "-o", "signature"])
            .env("COUNTERSIGN_WAIT_IN", wait_in)
            .env("COUNTERSIGN_RECORD", bench.path("recording")))?;
        ensure!(
            text.matches("nothing is signed").count() == 1,
            "{wait_in}: {text}"
        );
    }
    Ok(())
}

/// People and the verifier can distinguish a recorded image from a signed one.
#[test]
fn a_recorded_image_is_not_a_signed_one() -> anyhow::Result<()> {
    let bench = Bench::new()?;
    prepare(&bench)?;
    let text = bench.ok(bench
        .program("countersign")?
        .args([
            "record",
            "--reason",
            "Image 3",
            "--request-only",
            "--json",
            "--",
            "mkimage",
        ])
        .args(mkimage::arguments()))?;
    ensure!(text.contains("COUNTERSIGN_ACTIVATION="), "{text}");
    ensure!(
        has_placeholder(&bench)?,
        "the image does not contain the placeholder"
    );
    bench.fails(&mut mkimage::verify(&bench, 0))?;
    ensure!(bench.activation()?.signatures == 0, "something was signed");
    // With the printed variable the build signs once the quorum is reached.
    let _custodians = Custodians::start(&bench.deployment, Reaction::Approve(Duration::ZERO));
    let id = bench.activation()?.id();
    bench.ok(mkimage::command(&bench)?.env("COUNTERSIGN_ACTIVATION", id.as_str()))?;
    for node in 0..3 {
        bench.ok(&mut mkimage::verify(&bench, node))?;
    }
    ensure!(bench.end()? == EndReason::Completed, "{:?}", bench.end()?);
    Ok(())
}
