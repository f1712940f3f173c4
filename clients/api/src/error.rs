//! What can go wrong. Each message says what to do.

use std::path::PathBuf;

use countersign_protocol::problem::{Problem, ProblemCode};

use crate::failure::TlsFailure;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server refused; its detail says why and what to do.
    #[error("{0}")]
    Problem(Problem),
    /// No connection, or it broke before the answer was complete.
    #[error(
        "cannot reach {server}: {why}. Check the address, the network and that the server runs"
    )]
    Unreachable {
        /// The server.
        server: String,
        /// What happened.
        why: String,
        /// It was silent for too long, rather than absent.
        timed_out: bool,
    },
    /// The server's certificate was not accepted.
    #[error(
        "the TLS connection to {server} failed: {why}. {}", .why.advice(
            "name that CA's certificate with `ca_file` in the configuration or COUNTERSIGN_CA_FILE"
        )
    )]
    Tls {
        /// The server.
        server: String,
        /// What happened.
        why: TlsFailure,
    },
    /// The answer is not one of a Countersign server.
    #[error(
        "the answer of {server} cannot be understood: {why}. Check that the address is that of a Countersign \
         server, without a path, and that client and server have the same version"
    )]
    Malformed {
        /// The server.
        server: String,
        /// What is wrong.
        why: String,
    },
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl ClientError {
    /// The kind of problem, if the server named one that this version knows.
    pub fn code(&self) -> Option<ProblemCode> {
        match self {
            Self::Problem(problem) => problem.code(),
            _ => None,
        }
    }

    /// Whether the request may not have reached the server, or its answer not us.
    pub const fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No server anywhere.
    #[error(
        "no server is configured: write `server = \"https://...\"` to {}, set COUNTERSIGN_SERVER, or name one \
         with --server", file.display()
    )]
    NoServer {
        /// The configuration file that was looked for.
        file: PathBuf,
    },
    /// Neither home nor configuration directory.
    #[error(
        "there is no home directory to look for a configuration in: set COUNTERSIGN_CONFIG to a file"
    )]
    NoHome,
    /// Not an address.
    #[error("`{url}` is no server address: {why}. It looks like https://sign.example.org")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong.
        why: &'static str,
    },
    /// Unencrypted, and not to this machine.
    #[error(
        "{url} is not encrypted: anybody on the way could read the token. Use https://, or, if you must, set \
         `allow_plain_http = true` in the configuration"
    )]
    PlainHttp {
        /// The address.
        url: String,
    },
    /// No readable file.
    #[error("cannot read {}: {error}. Check the path, which {named_by} gives, and the permissions", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Where its path came from.
        named_by: &'static str,
        /// What the system said.
        error: std::io::Error,
    },
    /// Not the TOML that is expected.
    #[error("{} is no valid configuration: {why}", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// The parser's words.
        why: String,
    },
    /// A value of the environment that cannot be used.
    #[error("{variable} cannot be used: {why}")]
    Environment {
        /// The variable.
        variable: &'static str,
        /// What is wrong.
        why: &'static str,
    },
    /// Every signature would be given up at once.
    #[error("`sign_seconds` (COUNTERSIGN_SIGN_SECONDS) cannot be used: it must be at least 1")]
    NoTimeToSign,
    /// Others could take the token.
    #[error(
        "other users can read the token file {}: run `chmod 600 {}`; if somebody else may have read it, revoke \
         the token in the portal and make a new one", file.display(), file.display()
    )]
    TokenFileOpen {
        /// The file.
        file: PathBuf,
    },
    /// Others could take the key.
    #[error(
        "other users can read the private key {}: run `chmod 600 {}`; if somebody else may have read it, revoke the \
         token that its certificate stands for and make a new pair", file.display(), file.display()
    )]
    KeyFileOpen {
        /// The file.
        file: PathBuf,
    },
    /// Not a pair.
    #[error("{} has no {what} that can be used: it must be PEM", file.display())]
    ClientCertificate {
        /// The file.
        file: PathBuf,
        /// What should be in it.
        what: &'static str,
    },
    /// Certificate without key, or the other way round.
    #[error(
        "a client certificate needs its key: name both, with `client_certificate_file` and `client_key_file` in the \
         configuration or COUNTERSIGN_CLIENT_CERTIFICATE_FILE and COUNTERSIGN_CLIENT_KEY_FILE"
    )]
    HalfAClientCertificate,
    /// Where nobody can see it.
    #[error("a client certificate is shown in TLS only, and {url} is not encrypted: use https://")]
    ClientCertificateInTheClear {
        /// The address.
        url: String,
    },
    /// Not a token.
    #[error("the token of {origin} is unusable: {why}. Make a new one in the portal under Tokens")]
    Token {
        /// File or variable.
        origin: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The credential helper failed.
    #[error("the token command `{command}` of {named_by} failed: {why}. Run it by hand to see why")]
    TokenCommand {
        /// The program.
        command: String,
        /// Where it is named.
        named_by: &'static str,
        /// What happened.
        why: String,
    },
    /// What was wrong when the configuration was first read.
    #[error("{0}")]
    Earlier(String),
    /// No token anywhere.
    #[error(
        "no token is configured: make one in the portal under Tokens, write it to a file with mode 600 and name \
         that with `token_file` in {}, COUNTERSIGN_TOKEN_FILE or --token-file. A client certificate does, too", file.display()
    )]
    NoToken {
        /// The configuration file.
        file: PathBuf,
    },
    /// Not a certificate file.
    #[error(
        "{}, which {named_by} gives, {why}. It must be PEM with BEGIN CERTIFICATE: \
         `openssl x509 -noout -text -in FILE` shows what is in it", file.display()
    )]
    CaFile {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: &'static str,
        /// Where its path came from.
        named_by: &'static str,
    },
}
