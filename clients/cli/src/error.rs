//! Errors of the command line, each with its exit code and its form in JSON.

use countersign_client::{ClientError, words::ending};
use countersign_protocol::{
    activation::{ActivationView, EndReason},
    id::ActivationId,
    mechanism::Mechanism,
    problem::{Problem, ProblemCode},
};
use serde_json::{Value, json};

use crate::{commands::sign::Partial, exit::Exit, interrupt::Signal};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Contradictory or senseless arguments.
    #[error("{0}")]
    Usage(String),
    /// The server or the way to it.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Files that cannot be signed, read or written.
    #[error("{0}")]
    Files(String),
    /// What `pkcs11 doctor` found bad.
    #[error("programs cannot sign yet: see what is marked BAD")]
    NotReady(Exit),
    /// No such key, or one that cannot do this.
    #[error("{0}")]
    Key(String),
    /// The activation is over.
    #[error("activation {id} is over: {how}")]
    Ended {
        /// Which.
        id: ActivationId,
        /// How it ended.
        reason: EndReason,
        /// The same for people, with what custodians said.
        how: String,
    },
    /// The activation is not open.
    #[error(
        "activation {0} is not open yet: wait with `countersign activation show {0} --watch`, then run this again"
    )]
    NotOpen(ActivationId),
    /// Files that nobody approved.
    #[error(
        "not approved under activation {id}: {}. Check that these are the files that were approved{}, or ask for a \
         new activation", .files.join(", "), choice(.others)
    )]
    NotInManifest {
        /// Which.
        id: ActivationId,
        /// The files.
        files: Vec<String>,
        /// For what the list has by another hash function.
        others: Vec<Mechanism>,
    },
    /// The server gave something that is not what the custodians or the key stand for.
    #[error("{0}")]
    Untrue(String),
    /// Ctrl-C.
    #[error("{0}")]
    Interrupted(String),
    /// A signal that was for the command of a recording.
    #[error("{message}")]
    Signal {
        /// Which.
        signal: Signal,
        /// For people.
        message: String,
    },
    /// Some signatures, not all.
    #[error("{0}")]
    Partial(Box<Partial>),
    /// A certificate that was made, but could not be put where it belongs.
    #[error("{cause}\nThe certificate was made all the same:\n{pem}")]
    Certificate {
        /// What failed.
        cause: Box<CliError>,
        /// The certificate.
        pem: String,
    },
    /// Signatures that do not verify.
    #[error("{message}")]
    Invalid {
        /// For people.
        message: String,
        /// Result of every file.
        files: Value,
    },
}

impl CliError {
    /// That the activation is over, for this reason.
    pub fn ended(view: &ActivationView, reason: &EndReason) -> Self {
        Self::Ended {
            id: view.terms.id.clone(),
            reason: reason.clone(),
            how: ending(view, reason),
        }
    }

    /// The program's exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Client(error) => Exit::of_client(error),
            Self::Files(_) | Self::Key(_) | Self::Untrue(_) | Self::Invalid { .. } => Exit::Error,
            Self::NotReady(exit) => *exit,
            Self::Ended { reason, .. } => Exit::of_end(reason),
            Self::NotOpen(_) | Self::NotInManifest { .. } => Exit::NotApproved,
            Self::Interrupted(_) => Exit::Stopped,
            Self::Signal { signal, .. } => Exit::of_signal(*signal),
            Self::Partial(partial) => partial.cause.as_ref().map_or(Exit::Error, Self::exit),
            Self::Certificate { cause, .. } => cause.exit(),
        }
    }

    /// Problem details (RFC 9457), with the exit code and what else there is to tell.
    pub fn to_json(&self) -> Value {
        let detail = self.to_string();
        let mut problem = match self {
            Self::Client(ClientError::Problem(problem)) => json!(problem),
            Self::Client(ClientError::Unreachable { .. }) => {
                own("unreachable", "Server not reached", detail)
            }
            Self::Client(ClientError::Tls { .. }) => own("tls", "TLS failed", detail),
            Self::Client(ClientError::Malformed { .. }) => {
                own("malformed", "Answer not understood", detail)
            }
            Self::Client(ClientError::Config(_)) => {
                own("configuration", "Configuration not usable", detail)
            }
            Self::Usage(_) => own("usage", "Command line not understood", detail),
            Self::Files(_) => own("files", "Files not usable", detail),
            Self::NotReady(_) => own("not-ready", "Programs cannot sign yet", detail),
            Self::Key(_) => own("key", "Key not usable", detail),
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
            Self::Untrue(_) => own("untrue", "Server not believed", detail),
            Self::Interrupted(_) | Self::Signal { .. } => own("interrupted", "Interrupted", detail),
            Self::Partial(partial) => {
                let mut problem = match &partial.cause {
                    Some(cause) => cause.to_json(),
                    None => own("files", "Files not usable", String::new()),
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
                let mut problem = own("signature", "Signature not valid", detail);
                problem["files"] = files.clone();
                problem
            }
        };
        problem["exitCode"] = json!(self.exit() as u8);
        problem
    }
}

/// Perhaps only the hash function is another one.
fn choice(others: &[Mechanism]) -> String {
    if others.is_empty() {
        return String::new();
    }
    let others: Vec<String> = others
        .iter()
        .map(|other| format!("`--mechanism {other}`"))
        .collect();
    format!(" (the list has digests that need {})", others.join(" or "))
}

/// A problem that arises here and has no HTTP status.
fn own(code: &str, title: &str, detail: String) -> Value {
    json!({ "type": format!("urn:countersign:client:{code}"), "title": title, "detail": detail })
}
