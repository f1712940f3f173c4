//! `countersign pkcs11 env` prints settings that work, and `countersign pkcs11 doctor` finds wrong ones.

use anyhow::{Context, ensure};
use countersign_harness::deployment::RSA_KEY;
use serde_json::Value;

use super::tool::{Bench, run};

fn printed(bench: &Bench) -> anyhow::Result<String> {
    bench.ok(bench.program("countersign")?.args(["pkcs11", "env"]))
}

/// The lines after the line that contains `from` and before `to`, without their indentation.
fn between(text: &str, from: &str, to: &str) -> anyhow::Result<String> {
    let (_, rest) = text.split_once(from).context(from.to_owned())?;
    let (_, rest) = rest.split_once('\n').context("the line has no end")?;
    let (part, _) = rest.split_once(to).context(to.to_owned())?;
    let lines: Vec<_> = part.lines().map(str::trim_start).collect();
    Ok(lines.join("\n"))
}

#[test]
fn the_printed_commands_for_openssl_and_opensc_work() -> anyhow::Result<()> {
    let bench = Bench::with_approving_custodians()?;
    bench.write_public_keys()?;
    let text = printed(&bench)?;
    std::fs::write(
        bench.path("printed.cnf"),
        between(&text, "openssl.cnf", "and then")?,
    )?;
    std::fs::write(bench.path("FILE"), "something")?;
    let openssl = between(&text, "MODULE_PATH = ", "\n\n")?;
    let openssl = openssl.trim_start_matches("and then");
    let opensc = between(&text, "OpenSC", "\n\n")?;
    for command in [openssl, opensc.as_str()] {
        bench.ok(bench
            .tool("sh")?
            .args(["-e", "-c", command])
            .env_remove("PKCS11_MODULE_PATH")
            .env("OPENSSL_CONF", bench.path("printed.cnf")))?;
        bench.ok(bench.tool("openssl")?.args([
            "dgst",
            "-sha256",
            "-verify",
            &format!("{RSA_KEY}.pem"),
            "-signature",
            "FILE.sig",
            "FILE",
        ]))?;
        std::fs::remove_file(bench.path("FILE.sig"))?;
    }
    Ok(())
}

/// Other programs do not see the options of the command line, so the settings repeat them as variables.
#[test]
fn options_are_printed_as_variables() -> anyhow::Result<()> {
    let bench = Bench::new()?;
    let config = bench.deployment.cli_config.display().to_string();
    let with_option = |what: &str| -> anyhow::Result<String> {
        bench.ok(bench
            .program("countersign")?
            .args(["--config", &config, "pkcs11", what])
            .env_remove("COUNTERSIGN_CONFIG"))
    };
    for what in ["env", "doctor"] {
        let text = with_option(what)?;
        ensure!(
            text.contains(&format!("export COUNTERSIGN_CONFIG={config}")),
            "{text}"
        );
    }
    ensure!(!printed(&bench)?.contains("COUNTERSIGN_CONFIG"));
    Ok(())
}

/// Exit code of the doctor, and its findings that are marked as bad.
fn bad(bench: &Bench, variables: &[(&str, &str)]) -> anyhow::Result<(Option<i32>, Vec<String>)> {
    let mut command = bench.program("countersign")?;
    command
        .args(["pkcs11", "doctor", "--json"])
        .envs(variables.iter().copied());
    let (status, text) = run(&mut command)?;
    // The findings are the first JSON document, because standard output precedes standard error.
    let findings: Value = serde_json::Deserializer::from_str(&text)
        .into_iter()
        .next()
        .context("the doctor printed no JSON")??;
    let findings = findings
        .as_array()
        .context("the findings are not a list")?
        .iter();
    let bad = findings
        .filter(|finding| finding["result"] == "bad")
        .map(|finding| finding["what"].as_str().unwrap_or("").to_owned());
    Ok((status, bad.collect()))
}

#[test]
fn the_doctor_finds_wrong_settings_and_a_stopped_server() -> anyhow::Result<()> {
    let mut bench = Bench::new()?;
    ensure!(bad(&bench, &[])? == (Some(0), Vec::new()));
    let found = |bench: &Bench, variables: &[(&str, &str)], what: &str| -> anyhow::Result<()> {
        let (status, bad) = bad(bench, variables)?;
        ensure!(
            status.is_some_and(|status| status != 0) && bad == [what],
            "exit code {status:?}, findings {bad:?} instead of {what}"
        );
        Ok(())
    };
    found(&bench, &[("COUNTERSIGN_KEYS", "unknown-key")], "key")?;
    found(&bench, &[("COUNTERSIGN_TOKEN", "wrong")], "token")?;
    found(
        &bench,
        &[("COUNTERSIGN_CONFIG", "nowhere.toml")],
        "configuration",
    )?;
    found(
        &bench,
        &[("COUNTERSIGN_CA_FILE", "nowhere.pem")],
        "configuration",
    )?;
    bench.deployment.kill_server()?;
    ensure!(bad(&bench, &[])? == (Some(5), vec!["server".to_owned()]));
    Ok(())
}
