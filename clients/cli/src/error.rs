//! Errors of the command line, with their exit codes and their form in JSON.

use countersign_client::{ClientError, words::end_sentence};
use countersign_protocol::{
    activation::{ActivationView, EndReason},
    id::ActivationId,
    mechanism::Mechanism,
    problem::{Problem, ProblemCode},
};
use serde_json::{Value, json};

use crate::{commands::sign::PartiallySigned, exit::Exit, interrupt::Signal, output::any_of};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The arguments contradict each other or are incomplete.
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Files cannot be signed, read or written, or a program cannot be run.
    #[error("{0}")]
    Files(String),
    /// `pkcs11 doctor` found a problem that prevents signing.
    #[error("not ready to sign: see the lines marked BAD")]
    NotReady(Exit),
    /// The key does not exist, or cannot do this.
    #[error("{0}")]
    Key(String),
    #[error("{sentence}")]
    Ended {
        reason: EndReason,
        /// The end as a sentence, with the reasons of custodians that declined.
        sentence: String,
    },
    #[error(
        "activation {0} is not open yet: wait with `countersign activation show {0} --watch`, then run this command again"
    )]
    NotOpen(ActivationId),
    #[error(
        "not approved under activation {id}: {}. Check that these are the approved files{}, or request a new activation",
        .files.join(", "), mechanism_advice(.others)
    )]
    NotInManifest {
        id: ActivationId,
        files: Vec<String>,
        /// Mechanisms for other hash functions that the manifest lists.
        others: Vec<Mechanism>,
    },
    /// The server returned something that contradicts the request, the approval or the key.
    #[error("{0}")]
    Untrusted(String),
    /// Ctrl-C, or an equivalent signal.
    #[error("{0}")]
    Interrupted(String),
    /// A signal was received while the command of `record` was running.
    #[error("{message}")]
    Signal { signal: Signal, message: String },
    #[error("{0}")]
    PartiallySigned(Box<PartiallySigned>),
    /// A certificate was signed, but could not be stored or written.
    #[error("{cause}\nThe certificate was nevertheless created:\n{pem}")]
    Certificate { cause: Box<CliError>, pem: String },
    /// One or more signatures are invalid.
    #[error("{message}")]
    Invalid {
        message: String,
        /// The result of every file.
        files: Value,
    },
}

impl CliError {
    pub fn ended(view: &ActivationView, reason: &EndReason) -> Self {
        Self::Ended {
            reason: reason.clone(),
            sentence: end_sentence(view, reason),
        }
    }

    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Client(error) => Exit::of_client(error),
            Self::Files(_) | Self::Key(_) | Self::Untrusted(_) | Self::Invalid { .. } => {
                Exit::Error
            }
            Self::NotReady(exit) => *exit,
            Self::Ended { reason, .. } => Exit::of_end(reason),
            Self::NotOpen(_) | Self::NotInManifest { .. } => Exit::NotApproved,
            Self::Interrupted(_) => Exit::Stopped,
            Self::Signal { signal, .. } => Exit::of_signal(*signal),
            Self::PartiallySigned(partial) => {
                partial.cause.as_ref().map_or(Exit::Error, Self::exit)
            }
            Self::Certificate { cause, .. } => cause.exit(),
        }
    }

    /// Problem details (RFC 9457) with the exit code and the error's own data.
    pub fn to_json(&self) -> Value {
        let detail = self.to_string();
        let mut problem = match self {
            Self::Client(ClientError::Problem(problem)) => json!(problem),
            Self::Client(ClientError::Unreachable { .. }) => {
                client_problem("unreachable", "Server unreachable", detail)
            }
            Self::Client(ClientError::Tls { .. }) => {
                client_problem("tls", "TLS connection failed", detail)
            }
            Self::Client(ClientError::Malformed { .. }) => {
                client_problem("malformed", "Unexpected response", detail)
            }
            Self::Client(ClientError::Config(_)) => {
                client_problem("configuration", "Invalid configuration", detail)
            }
            Self::Usage(_) => client_problem("usage", "Usage error", detail),
            Self::Files(_) => client_problem("files", "File error", detail),
            Self::NotReady(_) => client_problem("not-ready", "Not ready to sign", detail),
            Self::Key(_) => client_problem("key", "Key not found or not usable", detail),
            Self::Ended { reason, .. } => {
                let mut problem = json!(Problem::new(ProblemCode::ActivationEnded, detail));
                problem["reason"] = json!(reason);
                problem
            }
            Self::NotOpen(_) => json!(Problem::new(ProblemCode::NotOpen, detail)),
            Self::NotInManifest { files, .. } => {
                let mut problem = json!(Problem::new(ProblemCode::NotInManifest, detail));
                problem["files"] = json!(files);
                problem
            }
            Self::Untrusted(_) => client_problem("untrue", "Contradictory server response", detail),
            Self::Interrupted(_) | Self::Signal { .. } => {
                client_problem("interrupted", "Interrupted", detail)
            }
            Self::PartiallySigned(partial) => {
                let mut problem = match &partial.cause {
                    Some(cause) => cause.to_json(),
                    None => client_problem("files", "File error", String::new()),
                };
                problem["detail"] = json!(detail);
                problem["activation"] = json!(partial.activation);
                problem["files"] = json!(partial.signed);
                problem["notSigned"] = json!(partial.not_signed);
                problem
            }
            Self::Certificate { cause, pem } => {
                let mut problem = cause.to_json();
                problem["pem"] = json!(pem);
                problem
            }
            Self::Invalid { files, .. } => {
                let mut problem = client_problem("signature", "Invalid signature", detail);
                problem["files"] = files.clone();
                problem
            }
        };
        problem["exitCode"] = json!(self.exit() as u8);
        problem
    }
}

/// Advice for the case that only the hash function differs.
fn mechanism_advice(others: &[Mechanism]) -> String {
    if others.is_empty() {
        return String::new();
    }
    let others: Vec<String> = others
        .iter()
        .map(|other| format!("`--mechanism {other}`"))
        .collect();
    format!(
        " (the manifest lists digests that need {})",
        any_of(&others)
    )
}

/// A problem of this program, which has no HTTP status.
fn client_problem(code: &str, title: &str, detail: String) -> Value {
    json!({ "type": format!("urn:countersign:client:{code}"), "title": title, "detail": detail })
}
