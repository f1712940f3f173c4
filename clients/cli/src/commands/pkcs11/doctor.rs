//! Checks everything between a program and the keys.

use countersign_client::{Client, ClientError, Overrides, Settings, words::printable};
use countersign_protocol::{
    hsm::{HsmState, HsmView, SigningKeyView},
    problem::ProblemCode,
};
use serde::Serialize;

use super::module;
use crate::{
    args::Global,
    environment::{assignment, of_flags},
    error::CliError,
    exit::Exit,
    output::Output,
};

/// One check.
#[derive(Serialize)]
struct Finding {
    what: &'static str,
    result: Mark,
    found: String,
}

/// What a check says of signing.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Mark {
    Ok,
    /// Not in the way of every program.
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

/// All of them, until one makes the rest senseless.
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
            "not installed; openssl and mkimage need it: libengine-pkcs11-openssl on Debian",
        ),
    }
    let mut exit = Exit::Error;
    if let Err(error) = server(global, &mut findings) {
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

fn server(global: &Global, findings: &mut Findings) -> Result<(), ClientError> {
    let settings = Settings::load(&Overrides {
        config: global.config.clone(),
        server: global.server.clone(),
        token_file: global.token_file.clone(),
        ca_file: global.ca_file.clone(),
    })?;
    let file = settings.config_file.display().to_string();
    let named = settings.activation.keys.clone();
    // What it names is a part of it.
    let client = Client::from_settings(settings)?;
    findings.good("configuration", file);
    for (name, value) in of_flags(global) {
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
        format!("acts for {}", printable(&session.person.name)),
    );
    let hsms = client.hsms()?;
    if hsms.is_empty() {
        findings.bad("HSMs", "the server has none in its configuration");
    }
    for hsm in &hsms {
        match state(hsm) {
            Ok(state) => findings.good("HSM", format!("{}: {state}", hsm.id)),
            Err(why) => findings.bad("HSM", format!("{}: {why}", hsm.id)),
        }
    }
    let keys = client.keys()?;
    if keys.is_empty() {
        findings.bad(
            "keys",
            "the token may use none of the keys that are there, or there is none",
        );
    }
    for key in &keys {
        findings.good("key", describe(key));
    }
    for name in named {
        if !keys
            .iter()
            .any(|key| key.label == name || key.fingerprint.to_hex() == name)
        {
            findings.bad(
                "key",
                format!(
                    "`{name}`, which COUNTERSIGN_KEYS or the configuration names, is not there"
                ),
            );
        }
    }
    Ok(())
}

fn state(hsm: &HsmView) -> Result<&'static str, String> {
    match &hsm.state {
        HsmState::Locked => Ok("locked, and can be asked for"),
        HsmState::Collecting { .. } => Ok("custodians are being asked"),
        HsmState::Open { .. } => Ok("open"),
        HsmState::Absent { .. } => Err(format!("absent: {}", hsm.warnings.join("; "))),
        HsmState::Attached => Err("being verified".into()),
        HsmState::Uninitialised => Err("not initialised: an admin does that in the portal".into()),
        HsmState::Registering => Err("custodian keys are still to be registered".into()),
        HsmState::Failed { why } => Err(printable(why)),
    }
}

fn describe(key: &SigningKeyView) -> String {
    let certificate = match &key.certificate {
        Some(certificate) => format!("certificate of {}", printable(&certificate.subject)),
        None => format!(
            "no certificate; Java wants one: `countersign certificate --key {} --subject CN=...`",
            printable(&key.label)
        ),
    };
    format!(
        "{} on {}, {}; {certificate}",
        printable(&key.label),
        key.hsm,
        key.kind
    )
}
