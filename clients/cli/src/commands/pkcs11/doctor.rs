//! `countersign pkcs11 doctor` checks everything that a program needs to sign.

use std::path::Path;

use countersign_client::{ClientError, words::printable};
use countersign_protocol::{
    hsm::{HsmState, HsmView, SigningKeyView},
    problem::ProblemCode,
};
use serde::Serialize;

use super::module;
use crate::{
    args::Global,
    connect,
    environment::{assignment, of_options},
    error::CliError,
    exit::Exit,
    output::Output,
};

/// The result of one check.
#[derive(Serialize)]
struct Finding {
    what: &'static str,
    result: Mark,
    found: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Mark {
    Ok,
    /// Some programs need more, but others can sign.
    Note,
    Bad,
}

impl Mark {
    const fn text(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Bad => "BAD",
        }
    }
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, result: Mark, what: &'static str, found: impl Into<String>) {
        let found = found.into();
        self.0.push(Finding {
            what,
            result,
            found,
        });
    }

    fn good(&mut self, what: &'static str, found: impl Into<String>) {
        self.add(Mark::Ok, what, found);
    }

    fn note(&mut self, what: &'static str, found: impl Into<String>) {
        self.add(Mark::Note, what, found);
    }

    fn bad(&mut self, what: &'static str, found: impl Into<String>) {
        self.add(Mark::Bad, what, found);
    }
}

pub fn run(global: &Global, output: Output) -> Result<(), CliError> {
    let mut findings = Findings::default();
    match module::required() {
        Ok(file) => findings.good("module", file.display().to_string()),
        Err(error) => findings.bad("module", error.to_string()),
    }
    match module::engine() {
        Some(file) => findings.good("openssl engine", file.display().to_string()),
        None => findings.note(
            "openssl engine",
            "not installed; openssl and mkimage need it (package libengine-pkcs11-openssl on Debian)",
        ),
    }
    let mut exit = Exit::Error;
    if let Err(error) = check_server(global, &mut findings) {
        exit = Exit::of_client(&error);
        let what = match (&error, error.code()) {
            (ClientError::Config(_), _) => "configuration",
            (_, Some(ProblemCode::NotAuthenticated)) => "token",
            _ => "server",
        };
        findings.bad(what, error.to_string());
    }
    let bad = findings.0.iter().any(|finding| finding.result == Mark::Bad);
    output.result(&findings.0, || {
        findings
            .0
            .iter()
            .map(|finding| {
                let mark = finding.result.text();
                format!("{mark:<4} {:<15} {}\n", finding.what, finding.found)
            })
            .collect()
    });
    if bad {
        Err(CliError::NotReady(exit))
    } else {
        Ok(())
    }
}

/// Checks the configuration, the server, the HSMs and the keys, up to the first error that makes further checks
/// impossible.
fn check_server(global: &Global, findings: &mut Findings) -> Result<(), ClientError> {
    let settings = connect::settings(global)?;
    let file = settings.config_file.display().to_string();
    let configured_keys = settings.activation.keys.clone();
    // The configuration is valid only if the files that it names can be used.
    let client = connect::client_of(settings)?;
    if Path::new(&file).exists() {
        findings.good("configuration", file);
    } else {
        findings.note(
            "configuration",
            format!("{file} does not exist; options and the environment provide all settings"),
        );
    }
    for (name, value) in of_options(global) {
        findings.note(
            "environment",
            format!("programs need `export {}`", assignment(name, &value)),
        );
    }
    let about = client.about()?;
    findings.good(
        "server",
        format!("{}, {}", client.server(), about.server.name),
    );
    let session = client.session()?;
    findings.good(
        "token",
        format!("token of {}", printable(&session.person.name)),
    );
    let hsms = client.hsms()?;
    if hsms.is_empty() {
        findings.bad("HSMs", "the server has no HSMs");
    }
    for hsm in &hsms {
        match readiness(hsm) {
            Ok(state) => findings.good("HSM", format!("{}: {state}", hsm.id)),
            Err(why) => findings.bad("HSM", format!("{}: {why}", hsm.id)),
        }
    }
    let keys = client.keys()?;
    if keys.is_empty() {
        findings.bad(
            "keys",
            "no keys found: an admin can generate one, and the token must be allowed to use it",
        );
    }
    for key in &keys {
        findings.good("key", describe(key));
    }
    for name in configured_keys {
        if !keys
            .iter()
            .any(|key| key.label == name || key.fingerprint.to_hex() == name)
        {
            findings.bad(
                "key",
                format!(
                    "`{name}` not found; it comes from COUNTERSIGN_KEYS or from `keys` in the configuration"
                ),
            );
        }
    }
    Ok(())
}

/// Whether an activation can be requested for the HSM, and why not.
fn readiness(hsm: &HsmView) -> Result<&'static str, String> {
    match &hsm.state {
        HsmState::Locked => Ok("locked; an activation can be requested"),
        HsmState::AwaitingApprovals { .. } => Ok("waiting for approvals"),
        HsmState::Open { .. } => Ok("open"),
        HsmState::Absent { .. } if hsm.warnings.is_empty() => Err("disconnected".into()),
        HsmState::Absent { .. } => Err(format!(
            "disconnected ({})",
            printable(&hsm.warnings.join("; "))
        )),
        HsmState::Attached => Err("connected, still being verified".into()),
        HsmState::Uninitialised => {
            Err("not initialised; an admin can initialise it in the portal".into())
        }
        HsmState::Registering => {
            Err("custodian keys are missing; an admin can register them in the portal".into())
        }
        HsmState::Quarantined { why, .. } => Err(format!("in quarantine ({})", printable(why))),
        HsmState::Failed { why } => Err(format!("rejected ({})", printable(why))),
    }
}

fn describe(key: &SigningKeyView) -> String {
    let certificate = match &key.certificate {
        Some(certificate) => format!("certificate for {}", printable(&certificate.subject)),
        None => format!(
            "no certificate; Java needs one: `countersign certificate --key {} --subject CN=...`",
            printable(&key.label)
        ),
    };
    format!(
        "{} on HSM {}, {}; {certificate}",
        printable(&key.label),
        key.hsm,
        key.kind
    )
}
