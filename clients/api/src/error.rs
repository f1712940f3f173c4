//! Errors of the client. Each message says what to do next.

use std::path::PathBuf;

use countersign_protocol::problem::{Problem, ProblemCode};

use crate::failure::TlsFailure;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server rejected the request; the problem's detail says why and what to do.
    #[error("{0}")]
    Problem(Problem),
    /// There was no connection, or it broke before the response was complete.
    #[error(
        "cannot reach {server}: {why}. {}", .proxy.as_ref().map_or_else(
            || "Check the address and the network, and that the server is running".to_owned(),
            |variable| format!("Check the proxy and the server, or add the server to NO_PROXY if it needs no proxy ({variable} names the proxy)")
        )
    )]
    Unreachable {
        server: String,
        why: String,
        /// The variable that names the proxy, if the connection uses one.
        proxy: Option<&'static str>,
        /// Whether the server was silent for too long, rather than not connected.
        timed_out: bool,
    },
    /// The TLS handshake failed, for example because the server's certificate is not trusted.
    #[error(
        "the TLS connection to {server} failed: {why}. {}", .why.advice(
            "name that CA's certificate with `ca_file` in the configuration or COUNTERSIGN_CA_FILE"
        )
    )]
    Tls { server: String, why: TlsFailure },
    /// The response is not one of a Countersign server of this version.
    #[error(
        "unexpected response from {server}: {why}. Check that the address is that of a Countersign server, without a \
         path, and that client and server have the same version"
    )]
    Malformed { server: String, why: String },
    /// The configuration is missing or invalid.
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

    /// Whether the request or its response may have been lost on the way.
    pub const fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Neither the command line, the environment nor the file names a server.
    #[error(
        "no server is configured: write `server = \"https://...\"` to {}, set COUNTERSIGN_SERVER or use --server",
        file.display()
    )]
    NoServer {
        /// The configuration file that was looked for.
        file: PathBuf,
    },
    /// Neither `HOME` nor `XDG_CONFIG_HOME` is set.
    #[error(
        "cannot find the configuration because HOME is not set: set COUNTERSIGN_CONFIG to the path of a file"
    )]
    NoHome,
    /// The server's address is not an origin.
    #[error(
        "invalid server address `{url}`: {why}. Expected an address such as https://sign.example.org"
    )]
    Url { url: String, why: &'static str },
    /// The server is on another machine, and its address begins with `http://`.
    #[error(
        "{url} is not encrypted, so the token could be read on the network. Use https://, or set \
         `allow_plain_http = true` in the configuration if you accept that"
    )]
    PlainHttp { url: String },
    /// A file of the configuration cannot be read.
    #[error("cannot read {}: {error}. Check the path, which comes from {named_by}, and the permissions", file.display())]
    Unreadable {
        file: PathBuf,
        /// The option, variable or setting that names the file.
        named_by: &'static str,
        error: std::io::Error,
    },
    /// The configuration file is not TOML, or has an unknown or wrong setting.
    #[error("invalid configuration file {}: {why}", file.display())]
    Syntax { file: PathBuf, why: String },
    /// An environment variable has an invalid value.
    #[error("invalid value of {variable}: {why}")]
    Environment {
        variable: &'static str,
        why: &'static str,
    },
    /// A variable such as `HTTPS_PROXY` does not name a proxy.
    #[error(
        "invalid proxy in {variable}: it must be a URL such as http://proxy.example.org:3128. Correct or unset the \
         variable, or add the server to NO_PROXY"
    )]
    Proxy { variable: &'static str },
    /// With 0 seconds, every signature would time out at once.
    #[error("invalid value of `sign_seconds` (COUNTERSIGN_SIGN_SECONDS): it must be at least 1")]
    NoTimeToSign,
    /// Other users can read or change the token file.
    #[error(
        "other users can access the token file {}: run `chmod 600 {}`. If another user may have read it, revoke the \
         token in the portal and create a new one", file.display(), file.display()
    )]
    TokenFileAccessible { file: PathBuf },
    /// Other users can read or change the private key of the client certificate.
    #[error(
        "other users can access the private key {}: run `chmod 600 {}`. If another user may have read it, revoke the \
         token that is bound to its certificate and create a new key and certificate", file.display(), file.display()
    )]
    KeyFileAccessible { file: PathBuf },
    /// The file does not hold the expected certificate or private key.
    #[error("{} does not contain a usable {what}: expected PEM", file.display())]
    ClientCertificate {
        file: PathBuf,
        /// The expected content.
        what: &'static str,
    },
    /// A certificate is configured without its key, or a key without its certificate.
    #[error(
        "a client certificate needs its private key: set both `client_certificate_file` and `client_key_file` in the \
         configuration, or COUNTERSIGN_CLIENT_CERTIFICATE_FILE and COUNTERSIGN_CLIENT_KEY_FILE"
    )]
    IncompleteClientCertificate,
    /// The server's address begins with `http://`, so that the certificate would never be presented.
    #[error("a client certificate needs TLS, and {url} is not encrypted: use https://")]
    ClientCertificateWithoutTls { url: String },
    /// A file, variable or command gave something that cannot be a token.
    #[error("invalid token from {origin}: {why}. Create a new one in the portal under Tokens")]
    Token { origin: String, why: &'static str },
    /// The program that prints the token failed.
    #[error(
        "the token command `{command}` from {named_by} failed: {why}. Run it in a terminal to see why"
    )]
    TokenCommand {
        command: String,
        /// The variable or setting that names the command.
        named_by: &'static str,
        why: String,
    },
    /// Repeats the message of an error that an earlier attempt to read the configuration gave.
    #[error("{0}")]
    Earlier(String),
    /// Neither a token nor a client certificate is configured.
    #[error(
        "no token is configured: create one in the portal under Tokens, write it to a file with mode 600 and name the \
         file with `token_file` in {}, COUNTERSIGN_TOKEN_FILE or --token-file. Alternatively, configure a client \
         certificate", file.display()
    )]
    NoToken {
        /// The configuration file that was read or looked for.
        file: PathBuf,
    },
    /// The file does not hold valid CA certificates.
    #[error(
        "invalid CA file {} from {named_by}: {why}. It must be PEM with BEGIN CERTIFICATE; \
         `openssl x509 -noout -text -in FILE` shows its content", file.display()
    )]
    CaFile {
        file: PathBuf,
        why: &'static str,
        /// The option, variable or setting that names the file.
        named_by: &'static str,
    },
}
