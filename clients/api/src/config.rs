//! Configuration: flags override the environment, which overrides the file.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{
    activation_settings::ActivationSettings, client_certificate::CertificateFiles,
    error::ConfigError, roots::CaFile, token::Token, token_command, token_file, url::ServerUrl,
};

/// Path of the configuration file.
pub const CONFIG_ENV: &str = "COUNTERSIGN_CONFIG";
/// Address of the server.
pub const SERVER_ENV: &str = "COUNTERSIGN_SERVER";
/// The token itself.
pub const TOKEN_ENV: &str = "COUNTERSIGN_TOKEN";
/// Path of a file with the token.
pub const TOKEN_FILE_ENV: &str = "COUNTERSIGN_TOKEN_FILE";
/// Path of a PEM file with further certificate authorities.
pub const CA_FILE_ENV: &str = "COUNTERSIGN_CA_FILE";
/// Path of a PEM file with the certificate by which this program shows who it is.
pub const CLIENT_CERTIFICATE_FILE_ENV: &str = "COUNTERSIGN_CLIENT_CERTIFICATE_FILE";
/// Path of a PEM file with its private key.
pub const CLIENT_KEY_FILE_ENV: &str = "COUNTERSIGN_CLIENT_KEY_FILE";
/// `true`: unencrypted connections to other machines are allowed.
pub const PLAIN_HTTP_ENV: &str = "COUNTERSIGN_ALLOW_PLAIN_HTTP";

/// Program and arguments that print the token, separated by spaces.
pub const TOKEN_COMMAND_ENV: &str = "COUNTERSIGN_TOKEN_COMMAND";

/// What was given on the command line.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Configuration file; it must exist then.
    pub config: Option<PathBuf>,
    /// Address of the server.
    pub server: Option<String>,
    /// File with the token.
    pub token_file: Option<PathBuf>,
    /// Further certificate authorities.
    pub ca_file: Option<PathBuf>,
}

/// Everything that is needed to reach a server.
pub struct Settings {
    /// The server.
    pub server: ServerUrl,
    /// The token, if one is configured.
    pub token: Option<Token>,
    /// The client certificate, if one is configured; no token is needed then.
    pub client_certificate: Option<CertificateFiles>,
    /// PEM file with certificate authorities that are trusted besides the system's.
    pub ca_file: Option<CaFile>,
    /// Whether unencrypted connections to other machines are allowed.
    pub allow_plain_http: bool,
    /// What is asked for where the caller does not say it.
    pub activation: ActivationSettings,
    /// The configuration file that was read or looked for.
    pub config_file: PathBuf,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    server: Option<String>,
    token_file: Option<PathBuf>,
    /// Program and arguments.
    token_command: Option<Vec<String>>,
    ca_file: Option<PathBuf>,
    client_certificate_file: Option<PathBuf>,
    client_key_file: Option<PathBuf>,
    #[serde(default)]
    allow_plain_http: bool,
    #[serde(default)]
    activation: ActivationSettings,
}

impl Settings {
    /// Reads `~/.config/countersign/config.toml` (or what replaces it) and the environment.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load(overrides: &Overrides) -> Result<Self, ConfigError> {
        Self::load_from(overrides, &|name| std::env::var_os(name))
    }

    /// [`Self::load`] with another environment.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load_from(
        overrides: &Overrides,
        environment: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, ConfigError> {
        // An empty variable counts as unset: that is what CI systems make of an unset one.
        let environment = |name: &str| environment(name).filter(|value| !value.is_empty());
        let home = environment("HOME")
            .or_else(|| environment("USERPROFILE"))
            .map(PathBuf::from);
        let (config_file, file) = read_file(overrides, &environment, home.as_deref())?;
        let base = config_file.parent().unwrap_or(Path::new("")).to_owned();
        let resolve = |path: &PathBuf| resolve(path, &base, home.as_deref());

        let server = match &overrides.server {
            Some(server) => Some(server.clone()),
            None => text(&environment, SERVER_ENV)?.or(file.server),
        };
        let server = server.ok_or_else(|| ConfigError::NoServer {
            file: config_file.clone(),
        })?;
        let token = if let Some(path) = &overrides.token_file {
            Some(token_file::read(path, "the command line")?)
        } else if let Some(token) = text(&environment, TOKEN_ENV)? {
            let unusable = |why| ConfigError::Token {
                origin: TOKEN_ENV.to_owned(),
                why,
            };
            Some(Token::new(Zeroizing::new(token)).map_err(unusable)?)
        } else if let Some(path) = environment(TOKEN_FILE_ENV) {
            Some(token_file::read(Path::new(&path), TOKEN_FILE_ENV)?)
        } else if let Some(command) = text(&environment, TOKEN_COMMAND_ENV)? {
            let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
            Some(token_command::run(&words, TOKEN_COMMAND_ENV)?)
        } else if let Some(command) = &file.token_command {
            Some(token_command::run(
                command,
                "`token_command` in the configuration",
            )?)
        } else if let Some(path) = &file.token_file {
            Some(token_file::read(
                &resolve(path),
                "`token_file` in the configuration",
            )?)
        } else {
            None
        };
        let ca_file = |path, named_by| CaFile { path, named_by };
        let ca_file = if let Some(path) = &overrides.ca_file {
            Some(ca_file(path.clone(), "`--ca-file`"))
        } else if let Some(path) = environment(CA_FILE_ENV) {
            Some(ca_file(path.into(), CA_FILE_ENV))
        } else {
            let path = file.ca_file.as_ref().map(resolve);
            path.map(|path| ca_file(path, "`ca_file` in the configuration"))
        };
        let either = |variable, file: &Option<PathBuf>| {
            environment(variable)
                .map(PathBuf::from)
                .or_else(|| file.as_ref().map(resolve))
        };
        let client_certificate = match (
            either(CLIENT_CERTIFICATE_FILE_ENV, &file.client_certificate_file),
            either(CLIENT_KEY_FILE_ENV, &file.client_key_file),
        ) {
            (Some(certificate), Some(key)) => Some(CertificateFiles { certificate, key }),
            (None, None) => None,
            _ => return Err(ConfigError::HalfAClientCertificate),
        };
        let allow_plain_http = match text(&environment, PLAIN_HTTP_ENV)?.as_deref() {
            None => file.allow_plain_http,
            Some("true" | "1") => true,
            Some("false" | "0") => false,
            Some(_) => {
                let why = "it must be `true` or `false`";
                return Err(ConfigError::Environment {
                    variable: PLAIN_HTTP_ENV,
                    why,
                });
            }
        };
        let server = ServerUrl::parse(&server)?;
        let activation = file.activation.with_environment(&environment)?;
        Ok(Self {
            server,
            token,
            client_certificate,
            ca_file,
            allow_plain_http,
            activation,
            config_file,
        })
    }
}

pub(crate) fn text(
    environment: &dyn Fn(&str) -> Option<OsString>,
    variable: &'static str,
) -> Result<Option<String>, ConfigError> {
    environment(variable)
        .map(OsString::into_string)
        .transpose()
        .map_err(|_| ConfigError::Environment {
            variable,
            why: "it is not UTF-8",
        })
}

fn read_file(
    overrides: &Overrides,
    environment: &dyn Fn(&str) -> Option<OsString>,
    home: Option<&Path>,
) -> Result<(PathBuf, File), ConfigError> {
    let (path, named_by) = if let Some(path) = &overrides.config {
        (path.clone(), Some("the command line"))
    } else if let Some(path) = environment(CONFIG_ENV) {
        (PathBuf::from(path), Some(CONFIG_ENV))
    } else {
        // XDG: a relative path there is to be ignored.
        let directory = environment("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .or_else(|| home.map(|home| home.join(".config")))
            .ok_or(ConfigError::NoHome);
        match directory {
            Ok(directory) => (directory.join("countersign").join("config.toml"), None),
            // Flags and environment may say everything.
            Err(_) if overrides.server.is_some() || environment(SERVER_ENV).is_some() => {
                return Ok((PathBuf::from("config.toml"), File::default()));
            }
            Err(error) => return Err(error),
        }
    };
    let content = match std::fs::read_to_string(&path) {
        Ok(content) => content,
        Err(error) if named_by.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            return Ok((path, File::default()));
        }
        Err(error) => {
            let named_by = named_by.unwrap_or("the default");
            return Err(ConfigError::Unreadable {
                file: path,
                named_by,
                error,
            });
        }
    };
    match toml::from_str(&content) {
        Ok(file) => Ok((path, file)),
        // Not the parser's own rendering: it quotes the line, and somebody may have put a token there.
        Err(error) => {
            let line = error
                .span()
                .and_then(|span| content.get(..span.start))
                .map_or(1, |before| before.matches('\n').count() + 1);
            let why = format!("line {line}: {}", error.message());
            Err(ConfigError::Syntax { file: path, why })
        }
    }
}

/// Paths in the file are relative to it; `~/` is the home directory.
fn resolve(path: &Path, base: &Path, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => base.join(path),
    }
}
