//! A server with a certificate from a private CA.

use std::{path::Path, process::Command, time::Instant};

use anyhow::ensure;
use countersign_harness::{
    custodians::{Custodians, Reaction},
    deployment::{EC_KEY, RSA_KEY},
    server::Tls,
};

use super::{
    c_program, openssl,
    tool::{Bench, run},
    waits::{must_return, ready},
};

/// A rejected certificate must not make the module wait for the server.
const SOON: std::time::Duration = std::time::Duration::from_secs(10);

/// Creates a CA and a certificate that it issues for `localhost`.
fn issue(folder: &Path, name: &str) -> anyhow::Result<Tls> {
    let file = |what: &str| folder.join(format!("{name}-{what}.pem"));
    let tls = Tls {
        certificate: file("certificate"),
        key: file("key"),
        authority: file("authority"),
    };
    let new = |subject: &str, key: &Path, certificate: &Path| {
        let mut command = Command::new("openssl");
        command
            .args(["req", "-x509", "-newkey", "ec", "-noenc", "-days", "2"])
            .args(["-pkeyopt", "ec_paramgen_curve:P-256"])
            // The system's configuration must not add extensions.
            .args(["-config", "/dev/null", "-subj", subject])
            .arg("-keyout")
            .arg(key)
            .arg("-out")
            .arg(certificate);
        command
    };
    let run_openssl = |command: &mut Command| -> anyhow::Result<()> {
        let (status, text) = run(command)?;
        ensure!(status == Some(0), "{command:?}:\n{text}");
        Ok(())
    };
    let authority_key = file("authority-key");
    run_openssl(
        new("/CN=Authority", &authority_key, &tls.authority)
            .args(["-addext", "basicConstraints=critical,CA:TRUE"]),
    )?;
    run_openssl(
        new("/CN=Server", &tls.key, &tls.certificate)
            .args(["-addext", "subjectAltName=DNS:localhost"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-CA")
            .arg(&tls.authority)
            .arg("-CAkey")
            .arg(&authority_key),
    )?;
    Ok(tls)
}

fn bench() -> anyhow::Result<Bench> {
    Bench::prepared(|setup| {
        setup.server.tls = Some(issue(&setup.folder, "own")?);
        Ok(())
    })
}

/// Checks that exactly one line reports the problem and names the setting to change.
fn must_name_the_setting(text: &str) -> anyhow::Result<()> {
    let lines: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("countersign: "))
        .collect();
    ensure!(
        lines.len() == 1 && lines[0].contains("ca_file"),
        "expected one line that names ca_file:\n{text}"
    );
    Ok(())
}

#[test]
fn programs_sign_if_the_ca_is_configured() -> anyhow::Result<()> {
    let bench = bench()?;
    let _custodians = Custodians::start(
        &bench.deployment,
        Reaction::Approve(std::time::Duration::ZERO),
    );
    bench.write_public_keys()?;
    for key in [EC_KEY, RSA_KEY] {
        openssl::dgst(&bench, key, "-sha256", None)?;
    }
    Ok(())
}

#[test]
fn no_token_is_present_if_the_ca_is_not_configured() -> anyhow::Result<()> {
    let bench = bench()?;
    let other = issue(&bench.folder, "other")?;
    let without = bench.path("without.toml");
    let lines = std::fs::read_to_string(&bench.deployment.cli_config)?;
    let lines = lines.lines().filter(|line| !line.starts_with("ca_file"));
    std::fs::write(&without, lines.collect::<Vec<_>>().join("\n"))?;
    for (variable, file) in [
        ("COUNTERSIGN_CA_FILE", &other.authority),
        ("COUNTERSIGN_CONFIG", &without),
    ] {
        let start = Instant::now();
        let text = bench.ok(bench
            .tool(c_program::compiled(&bench)?)?
            .arg(bench.module()?)
            .arg("slots")
            .env(variable, file))?;
        ensure!(text.contains("0 slots"), "{variable}: {text}");
        must_name_the_setting(&text)?;
        ensure!(start.elapsed() < SOON, "{:?}", start.elapsed());
    }
    Ok(())
}

/// After the module has listed the token, another server answers at the same address.
#[test]
fn a_login_at_another_server_fails_at_once() -> anyhow::Result<()> {
    let mut bench = bench()?;
    let (waiting, go_on) = ready(&bench, "login-later")?;
    bench.deployment.kill_server()?;
    bench.deployment.setup.server.tls = Some(issue(&bench.folder, "other")?);
    bench.deployment.restart_server()?;
    drop(go_on);
    let (text, took) = waiting.end()?;
    // CKR_DEVICE_ERROR
    must_return(&text, "0x30")?;
    must_name_the_setting(&text)?;
    ensure!(took < SOON, "{took:?}");
    Ok(())
}
