//! Schemathesis generates requests from the OpenAPI document, valid and invalid ones, and checks every response against
//! the document.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};
use countersign_harness::{
    deployment::{Deployment, DeploymentSetup, HSM},
    person::Person,
};
use countersign_protocol::{
    act::NewAct,
    lease::LeaseLimits,
    operator::{NewInvitation, Role},
};
use countersign_simulator::Profile;

use crate::say;

/// Where `cargo xtask test` installs the program, below the target folder.
const INSTALLED: &str = "tools/schemathesis/bin/st";

#[test]
fn schemathesis_finds_nothing_with_a_token() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let deployment = deployment(folder.path())?;
    let token = std::fs::read_to_string(folder.path().join("deployment/token"))?;
    let credential = format!("[auth.openapi.token]\nbearer = \"{}\"\n", token.trim());
    run("token", &deployment, folder.path(), &credential)
}

#[test]
fn schemathesis_finds_nothing_with_a_session() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let deployment = deployment(folder.path())?;
    let session = session(&deployment, deployment.anna(), folder.path())?;
    let credential = format!("[auth.openapi.session]\napi_key = \"{session}\"\n");
    let origin = deployment.origin();
    let headers = format!("[headers]\nOrigin = \"{origin}\"\n");
    run(
        "session",
        &deployment,
        folder.path(),
        &(credential + &headers),
    )
}

fn deployment(folder: &Path) -> anyhow::Result<Deployment> {
    let setup = DeploymentSetup::simulated(&folder.join("deployment"), Profile::VENDOR)?;
    Deployment::build(setup, &mut |_| ())
}

/// Logs a person in, and returns the value of the session cookie.
fn session(deployment: &Deployment, person: &Person, folder: &Path) -> anyhow::Result<String> {
    let body = folder.join("log-in.json");
    let statement = person.signed_log_in(&deployment.helper)?;
    std::fs::write(&body, serde_json::to_vec(&statement)?)?;
    let origin = deployment.origin();
    let output = Command::new("curl")
        .args(["--silent", "--fail", "--dump-header", "-", "--output"])
        .arg(folder.join("session.json"))
        .args(["--header", &format!("Origin: {origin}")])
        .args(["--header", "Content-Type: application/json"])
        .arg("--data")
        .arg(format!("@{}", body.display()))
        .arg(format!("{origin}/api/v1/session"))
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let cookie = text.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        let is_cookie = name.eq_ignore_ascii_case("set-cookie");
        is_cookie.then_some(value)
    });
    let value = cookie.and_then(|cookie| {
        let (_, value) = cookie.split(';').next()?.split_once('=')?;
        Some(value.to_owned())
    });
    value.context("the log-in set no cookie")
}

/// Tells Schemathesis about things that exist, so that its requests reach more than the first check: an open activation
/// for any content, one that waits behind it, the HSM and a key.
fn write_config(deployment: &Deployment, folder: &Path, config: &str) -> anyhow::Result<()> {
    let lease = LeaseLimits {
        seconds: 600,
        signatures: 1000,
    };
    let open = deployment.request_any_content(lease)?;
    deployment.approve(&open, [deployment.anna(), deployment.ben()])?;
    let waiting = deployment.request_any_content(lease)?;
    let key = &deployment.hsm()?.keys[0].fingerprint;
    let invite = NewAct::InvitePerson(NewInvitation {
        name: "Erin".into(),
        mail: None,
        roles: vec![Role::Auditor],
    });
    let act = deployment.anna().browser.propose_act(&invite)?.act.terms.id;
    let operations = [
        ("getHsm", "id", HSM),
        ("getAct", "id", act.as_str()),
        ("createActTask", "id", act.as_str()),
        ("signAct", "id", act.as_str()),
        ("putKeySettings", "fingerprint", &key.to_hex()),
        ("putCertificate", "fingerprint", &key.to_hex()),
        ("sign", "id", open.as_str()),
        ("listSignatures", "id", open.as_str()),
        ("getReceipt", "id", open.as_str()),
        ("createApprovalTask", "id", waiting.as_str()),
        ("approve", "id", waiting.as_str()),
        ("lock", "id", waiting.as_str()),
    ];
    let operations: String = operations
        .map(|(operation, name, value)| {
            format!(
                "[[operations]]\ninclude-operation-id = \"{operation}\"\nparameters = {{ \"path.{name}\" = \"{value}\" }}\n"
            )
        })
        .concat();
    // A request that waits for a change would wait for long.
    let polled = format!(
        "[[operations]]\ninclude-operation-id = \"getActivation\"\nparameters = {{ \"path.id\" = \"{open}\", \"query.wait\" = 0 }}\n"
    );
    std::fs::write(
        folder.join("schemathesis.toml"),
        format!("{config}{operations}{polled}"),
    )?;
    Ok(())
}

/// Number of requests in Schemathesis' report.
fn requests(report: &str) -> Option<usize> {
    let (_, rest) = report.split_once("Test cases:")?;
    rest.split_whitespace().next()?.parse().ok()
}

fn run(name: &str, deployment: &Deployment, folder: &Path, config: &str) -> anyhow::Result<()> {
    let own = std::env::current_exe()?;
    let mut programs = own.ancestors().map(|folder| folder.join(INSTALLED));
    let program = programs
        .find(|program| program.is_file())
        .context("Schemathesis is not installed: run `cargo xtask test`, which installs it")?;
    write_config(deployment, folder, config)?;
    let mut command = Command::new(program);
    command
        .args(["--no-color", "run"])
        .arg(format!("{}/api/v1/openapi.json", deployment.origin()))
        // The same requests in every run.
        .arg("--generation-deterministic")
        .args(["--max-examples", "20", "--request-timeout", "60"])
        .args(["--checks", "all"])
        // Valid requests about things that do not exist are rejected.
        .args(["--exclude-checks", "positive_data_acceptance"])
        // The session would be lost.
        .args(["--exclude-operation-id", "logOut"])
        .args(["--exclude-operation-id", "endSessions"])
        .current_dir(folder)
        .stdin(Stdio::null());
    let output = command.output()?;
    let text = [output.stdout, output.stderr].concat();
    let report = String::from_utf8_lossy(&text);
    let requests = requests(&report).unwrap_or_default();
    say(&format!(
        "Schemathesis sent {requests} requests with a {name}"
    ));
    ensure!(
        output.status.success(),
        "Schemathesis found something with a {name}:\n{report}"
    );
    ensure!(
        requests >= 1000,
        "Schemathesis sent only {requests} requests"
    );
    Ok(())
}
