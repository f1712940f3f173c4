//! Configuration: command-line options override the environment, which overrides the file.

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
/// The API token itself.
pub const TOKEN_ENV: &str = "COUNTERSIGN_TOKEN";
/// Path of a file that contains the API token.
pub const TOKEN_FILE_ENV: &str = "COUNTERSIGN_TOKEN_FILE";
/// Path of a PEM file with certificate authorities to trust in addition to the system's.
pub const CA_FILE_ENV: &str = "COUNTERSIGN_CA_FILE";
/// Path of a PEM file with the client certificate.
pub const CLIENT_CERTIFICATE_FILE_ENV: &str = "COUNTERSIGN_CLIENT_CERTIFICATE_FILE";
/// Path of a PEM file with the private key of the client certificate.
pub const CLIENT_KEY_FILE_ENV: &str = "COUNTERSIGN_CLIENT_KEY_FILE";
/// `true` allows unencrypted connections to other machines.
pub const PLAIN_HTTP_ENV: &str = "COUNTERSIGN_ALLOW_PLAIN_HTTP";
/// A command that prints the API token; its program and arguments are separated by spaces.
pub const TOKEN_COMMAND_ENV: &str = "COUNTERSIGN_TOKEN_COMMAND";

/// Options of the command line, which override the environment and the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// The configuration file. It must exist if it is given here.
    pub config: Option<PathBuf>,
    pub server: Option<String>,
    pub token_file: Option<PathBuf>,
    pub ca_file: Option<PathBuf>,
    /// Nobody knows that the configuration is read, so a program that prints the token may neither prompt nor take long.
    pub in_background: bool,
}

/// The complete configuration of a client.
pub struct Settings {
    pub server: ServerUrl,
    pub token: Option<Token>,
    /// With a client certificate, no token is needed.
    pub client_certificate: Option<CertificateFiles>,
    pub ca_file: Option<CaFile>,
    /// Whether unencrypted connections to other machines are allowed.
    pub allow_plain_http: bool,
    /// Defaults for activations that a program requests.
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
    /// Reads the environment and the configuration file, by default `~/.config/countersign/config.toml`.
    pub fn load(overrides: &Overrides) -> Result<Self, ConfigError> {
        Self::load_from(overrides, &|name| std::env::var_os(name))
    }

    /// [`Self::load`] with the given environment, for tests.
    pub fn load_from(
        overrides: &Overrides,
        environment: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, ConfigError> {
        // An empty variable counts as unset, because CI systems pass unset variables on as empty ones.
        let environment = |name: &str| environment(name).filter(|value| !value.is_empty());
        let home = environment("HOME")
            .or_else(|| environment("USERPROFILE"))
            .map(PathBuf::from);
        let (config_file, file) = read_file(overrides, &environment, home.as_deref())?;
        let base = config_file.parent().unwrap_or(Path::new("")).to_owned();
        let resolve = |path: &PathBuf| resolve(path, &base, home.as_deref());

        let server = match &overrides.server {
            Some(server) => Some(server.clone()),
            None => text(&environment, SERVER_ENV)?.or_else(|| file.server.clone()),
        };
        let server = server.ok_or_else(|| ConfigError::NoServer {
            file: config_file.clone(),
        })?;
        let token = token(overrides, &environment, &file, &resolve)?;
        let ca_file = ca_file(overrides, &environment, &file, &resolve);
        let client_certificate = client_certificate(&environment, &file, &resolve)?;
        let allow_plain_http = allow_plain_http(&environment, &file)?;
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

/// The token of the source with the highest precedence; other sources are not read.
fn token(
    overrides: &Overrides,
    environment: &dyn Fn(&str) -> Option<OsString>,
    file: &File,
    resolve: &dyn Fn(&PathBuf) -> PathBuf,
) -> Result<Option<Token>, ConfigError> {
    let token = if let Some(path) = &overrides.token_file {
        token_file::read(path, "the command line")?
    } else if let Some(token) = text(environment, TOKEN_ENV)? {
        let invalid = |why| ConfigError::Token {
            origin: TOKEN_ENV.to_owned(),
            why,
        };
        Token::new(Zeroizing::new(token)).map_err(invalid)?
    } else if let Some(path) = environment(TOKEN_FILE_ENV) {
        token_file::read(Path::new(&path), TOKEN_FILE_ENV)?
    } else if let Some(command) = text(environment, TOKEN_COMMAND_ENV)? {
        let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        token_command::run(&words, TOKEN_COMMAND_ENV, overrides.in_background)?
    } else if let Some(command) = &file.token_command {
        let named_by = "`token_command` in the configuration";
        token_command::run(command, named_by, overrides.in_background)?
    } else if let Some(path) = &file.token_file {
        token_file::read(&resolve(path), "`token_file` in the configuration")?
    } else {
        return Ok(None);
    };
    Ok(Some(token))
}

fn ca_file(
    overrides: &Overrides,
    environment: &dyn Fn(&str) -> Option<OsString>,
    file: &File,
    resolve: &dyn Fn(&PathBuf) -> PathBuf,
) -> Option<CaFile> {
    let (path, named_by) = if let Some(path) = &overrides.ca_file {
        (path.clone(), "`--ca-file`")
    } else if let Some(path) = environment(CA_FILE_ENV) {
        (path.into(), CA_FILE_ENV)
    } else {
        let path = file.ca_file.as_ref().map(resolve)?;
        (path, "`ca_file` in the configuration")
    };
    Some(CaFile { path, named_by })
}

fn client_certificate(
    environment: &dyn Fn(&str) -> Option<OsString>,
    file: &File,
    resolve: &dyn Fn(&PathBuf) -> PathBuf,
) -> Result<Option<CertificateFiles>, ConfigError> {
    let path = |variable, setting: &Option<PathBuf>| {
        environment(variable)
            .map(PathBuf::from)
            .or_else(|| setting.as_ref().map(resolve))
    };
    let certificate = path(CLIENT_CERTIFICATE_FILE_ENV, &file.client_certificate_file);
    let key = path(CLIENT_KEY_FILE_ENV, &file.client_key_file);
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some(CertificateFiles { certificate, key })),
        (None, None) => Ok(None),
        _ => Err(ConfigError::IncompleteClientCertificate),
    }
}

fn allow_plain_http(
    environment: &dyn Fn(&str) -> Option<OsString>,
    file: &File,
) -> Result<bool, ConfigError> {
    match text(environment, PLAIN_HTTP_ENV)?.as_deref() {
        None => Ok(file.allow_plain_http),
        Some("true" | "1") => Ok(true),
        Some("false" | "0") => Ok(false),
        Some(_) => Err(ConfigError::Environment {
            variable: PLAIN_HTTP_ENV,
            why: "it must be `true` or `false`",
        }),
    }
}

/// The value of a variable, which must be UTF-8.
pub(crate) fn text(
    environment: &dyn Fn(&str) -> Option<OsString>,
    variable: &'static str,
) -> Result<Option<String>, ConfigError> {
    environment(variable)
        .map(OsString::into_string)
        .transpose()
        .map_err(|_| ConfigError::Environment {
            variable,
            why: "it is not valid UTF-8",
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
        // The XDG specification requires that a relative path is ignored.
        let directory = environment("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .or_else(|| home.map(|home| home.join(".config")))
            .ok_or(ConfigError::NoHome);
        match directory {
            Ok(directory) => (directory.join("countersign").join("config.toml"), None),
            // Without a file, options and environment can still name everything that is needed.
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
            let named_by = named_by.unwrap_or("the default location");
            return Err(ConfigError::Unreadable {
                file: path,
                named_by,
                error,
            });
        }
    };
    match toml::from_str(&content) {
        Ok(file) => Ok((path, file)),
        // The parser's own rendering would quote the line, which may contain a token by mistake.
        Err(error) => {
            let line = error
                .span()
                .and_then(|span| content.get(..span.start))
                .map_or(1, |before| before.matches('\n').count() + 1);
            let why = format!("{} in line {line}", error.message());
            Err(ConfigError::Syntax { file: path, why })
        }
    }
}

/// Resolves a path of the file, which is relative to the file's directory or begins with `~/`.
fn resolve(path: &Path, base: &Path, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => base.join(path),
    }
}
