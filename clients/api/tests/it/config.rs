use std::{
    collections::HashMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

use countersign_client::{Client, ConfigError, Overrides, Settings, WaitIn};
use tempfile::TempDir;

struct Home {
    directory: TempDir,
    variables: HashMap<String, OsString>,
}

impl Home {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let variables =
            HashMap::from([("HOME".to_owned(), directory.path().as_os_str().to_owned())]);
        Self {
            directory,
            variables,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        set_mode(&path, 0o600);
        path
    }

    fn set(&mut self, name: &str, value: impl Into<OsString>) -> &mut Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    fn load(&self, overrides: &Overrides) -> Result<Settings, ConfigError> {
        Settings::load_from(overrides, &|name| self.variables.get(name).cloned())
    }

    fn server(&self, overrides: &Overrides) -> String {
        self.load(overrides)
            .unwrap_or_else(|error| panic!("{error}"))
            .server
            .to_string()
    }

    fn error(&self, overrides: &Overrides) -> String {
        match self.load(overrides) {
            Ok(_) => panic!("the configuration is accepted"),
            Err(error) => error.to_string(),
        }
    }
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) {}

const FILE: &str = ".config/countersign/config.toml";

#[test]
fn options_override_the_environment_which_overrides_the_file() {
    let mut home = Home::new();
    let overrides = Overrides::default();
    assert!(home.error(&overrides).contains("COUNTERSIGN_SERVER"));
    home.write(FILE, "server = \"https://file.example.org\"\n");
    assert_eq!(home.server(&overrides), "https://file.example.org");
    home.set("COUNTERSIGN_SERVER", "");
    assert_eq!(home.server(&overrides), "https://file.example.org");
    home.set("COUNTERSIGN_SERVER", "https://environment.example.org");
    assert_eq!(home.server(&overrides), "https://environment.example.org");
    let overrides = Overrides {
        server: Some("https://flag.example.org".to_owned()),
        ..Overrides::default()
    };
    assert_eq!(home.server(&overrides), "https://flag.example.org");
}

#[test]
fn options_and_variables_choose_the_configuration_file() {
    let mut home = Home::new();
    let overrides = Overrides::default();
    home.write(FILE, "server = \"https://home.example.org\"");
    home.write(
        "xdg/countersign/config.toml",
        "server = \"https://xdg.example.org\"",
    );
    let file = home.write("own.toml", "server = \"https://own.example.org\"");
    let flagged = home.write("flag.toml", "server = \"https://flagged.example.org\"");
    home.set("XDG_CONFIG_HOME", home.path("xdg"));
    assert_eq!(home.server(&overrides), "https://xdg.example.org");
    home.set("COUNTERSIGN_CONFIG", file);
    assert_eq!(home.server(&overrides), "https://own.example.org");
    let flag = Overrides {
        config: Some(flagged),
        ..Overrides::default()
    };
    assert_eq!(home.server(&flag), "https://flagged.example.org");
    home.set("COUNTERSIGN_CONFIG", home.path("missing.toml"));
    assert!(home.error(&overrides).contains("COUNTERSIGN_CONFIG"));
}

#[test]
fn options_override_variables_and_the_file_for_the_token() {
    let mut home = Home::new();
    home.write(
        FILE,
        "server = \"https://sign.example.org\"\ntoken_file = \"from-file\"\n",
    );
    // A path in the file is relative to the file's directory. Only the source with the highest precedence is read, so
    // the error names its missing file.
    assert!(
        home.error(&Overrides::default())
            .contains("countersign/from-file")
    );
    home.write(".config/countersign/from-file", "abc\n");
    assert!(
        home.load(&Overrides::default())
            .unwrap_or_else(|e| panic!("{e}"))
            .token
            .is_some()
    );
    home.set("COUNTERSIGN_TOKEN_FILE", home.path("from-environment"));
    assert!(
        home.error(&Overrides::default())
            .contains("from-environment")
    );
    home.set("COUNTERSIGN_TOKEN", "abc");
    assert!(
        home.load(&Overrides::default())
            .unwrap_or_else(|e| panic!("{e}"))
            .token
            .is_some()
    );
    let flag = Overrides {
        token_file: Some(home.path("from-flag")),
        ..Overrides::default()
    };
    assert!(home.error(&flag).contains("from-flag"));
    home.set("COUNTERSIGN_TOKEN", "two words");
    assert!(
        home.error(&Overrides::default())
            .contains("COUNTERSIGN_TOKEN")
    );
}

#[test]
fn a_client_needs_a_token_or_a_certificate() {
    let mut home = Home::new();
    home.set("COUNTERSIGN_SERVER", "https://sign.example.org");
    let settings = home
        .load(&Overrides::default())
        .unwrap_or_else(|error| panic!("{error}"));
    let Err(error) = Client::from_settings(settings) else {
        panic!("a client without a token is created")
    };
    assert!(error.to_string().contains("token_file"), "{error}");
}

/// A self-signed certificate and its key, in PEM.
#[cfg(unix)]
fn certificate_and_key() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::default()
        .self_signed(&key)
        .unwrap();
    (certificate.pem(), key.serialize_pem())
}

#[cfg(unix)]
#[test]
fn a_client_certificate_replaces_the_token() {
    let mut home = Home::new();
    let (certificate, key) = certificate_and_key();
    home.write("client.pem", &certificate);
    home.write("client.key", &key);
    home.write(
        ".config/countersign/config.toml",
        "server = 'https://sign.example.org'\nclient_certificate_file = '~/client.pem'\nclient_key_file = '~/client.key'",
    );
    let client = |home: &Home| Client::from_settings(home.load(&Overrides::default()).unwrap());
    assert!(client(&home).is_ok());

    // A key of another certificate, a file without a key and a key that others can read are rejected before any
    // request.
    home.write("client.key", &certificate_and_key().1);
    assert!(client(&home).is_err());
    home.write("client.key", &certificate);
    assert!(client(&home).is_err());
    set_mode(&home.write("client.key", &key), 0o644);
    let error = client(&home).err().unwrap().to_string();
    assert!(error.contains("chmod 600"), "{error}");

    // The environment overrides the file, and a key without a certificate is an error.
    home.set("COUNTERSIGN_CLIENT_KEY_FILE", home.write("other", &key));
    assert!(client(&home).is_ok());
    home.write(
        ".config/countersign/config.toml",
        "server = 'https://sign.example.org'",
    );
    assert!(home.load(&Overrides::default()).is_err());
    home.set(
        "COUNTERSIGN_CLIENT_CERTIFICATE_FILE",
        home.path("client.pem"),
    );
    assert!(client(&home).is_ok());

    // Without TLS, the certificate would never be presented.
    home.set("COUNTERSIGN_SERVER", "http://127.0.0.1:8080");
    assert!(client(&home).is_err());
}

#[cfg(unix)]
#[test]
fn a_token_file_that_others_can_access_is_rejected() {
    let home = Home::new();
    let file = home.write("token", "abc\n");
    let overrides = Overrides {
        server: Some("https://sign.example.org".to_owned()),
        token_file: Some(file.clone()),
        ..Overrides::default()
    };
    for accessible in [0o604, 0o640, 0o644, 0o620, 0o666] {
        set_mode(&file, accessible);
        let error = home.error(&overrides);
        assert!(error.contains("chmod 600"), "{error}");
    }
    let directory = Overrides {
        token_file: file.parent().map(Into::into),
        ..overrides.clone()
    };
    let error = home.error(&directory);
    assert!(
        error.contains("is a directory") && !error.contains("chmod"),
        "{error}"
    );
    for private in [0o600, 0o400] {
        set_mode(&file, private);
        assert!(home.load(&overrides).is_ok());
    }
}

#[test]
fn an_invalid_file_is_reported_without_quoting_it() {
    let home = Home::new();
    home.write(
        FILE,
        "server = \"https://sign.example.org\"\ntoken = \"very-secret\"\n",
    );
    let error = home.error(&Overrides::default());
    assert!(
        error.contains("line 2") && error.contains("token"),
        "{error}"
    );
    assert!(!error.contains("very-secret"), "{error}");
}

#[test]
fn plain_http_needs_an_explicit_setting() {
    let mut home = Home::new();
    home.set("COUNTERSIGN_SERVER", "http://sign.example.org")
        .set("COUNTERSIGN_TOKEN", "abc");
    let usable = |home: &Home| {
        let settings = home
            .load(&Overrides::default())
            .unwrap_or_else(|error| panic!("{error}"));
        Client::from_settings(settings).is_ok()
    };
    assert!(!usable(&home));
    home.write(FILE, "allow_plain_http = true");
    assert!(usable(&home));
    home.set("COUNTERSIGN_ALLOW_PLAIN_HTTP", "false");
    assert!(!usable(&home));
}

#[test]
fn a_ca_file_must_contain_certificates() {
    let mut home = Home::new();
    let file = home.write("ca.pem", "no certificate");
    home.set("COUNTERSIGN_SERVER", "https://sign.example.org")
        .set("COUNTERSIGN_TOKEN", "abc");
    home.set("COUNTERSIGN_CA_FILE", file);
    let settings = home
        .load(&Overrides::default())
        .unwrap_or_else(|error| panic!("{error}"));
    let Err(error) = Client::from_settings(settings) else {
        panic!("the CA file is accepted")
    };
    assert!(error.to_string().contains("ca.pem"), "{error}");
    // A missing file is an error even if the connection does not use TLS.
    home.set("COUNTERSIGN_SERVER", "http://127.0.0.1:1")
        .set("COUNTERSIGN_CA_FILE", "/missing.pem");
    let settings = home
        .load(&Overrides::default())
        .unwrap_or_else(|error| panic!("{error}"));
    let Err(error) = Client::from_settings(settings) else {
        panic!("the CA file is accepted")
    };
    let text = error.to_string();
    assert!(
        text.contains("missing.pem") && text.contains("COUNTERSIGN_CA_FILE"),
        "{text}"
    );
    let option = Overrides {
        ca_file: Some("/other.pem".into()),
        ..Overrides::default()
    };
    let settings = home.load(&option).unwrap_or_else(|error| panic!("{error}"));
    let Err(error) = Client::from_settings(settings) else {
        panic!("the CA file is accepted")
    };
    assert!(error.to_string().contains("--ca-file"), "{error}");
}

#[test]
fn a_token_command_prints_the_token() {
    let home = Home::new();
    let with = |command: &str| {
        let text = format!("server = \"https://sign.example.org\"\ntoken_command = {command}\n");
        home.write(FILE, &text);
        home.load(&Overrides::default())
    };
    let settings = with(r#"["printf", "cst_abc\\nmore"]"#);
    assert!(settings.is_ok_and(|settings| settings.token.is_some()));
    // The error names the command that fails.
    for (command, expected) in [
        (r#"["false"]"#, "false"),
        (r#"["no-such-program-here"]"#, "no-such-program-here"),
        ("[]", "empty"),
    ] {
        let error = with(command).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// A program that merely loads the PKCS#11 module must not wait for a prompt.
#[test]
fn a_token_command_in_the_background_has_little_time() {
    let home = Home::new();
    home.write(
        FILE,
        "server = \"https://sign.example.org\"\ntoken_command = [\"sleep\", \"120\"]\n",
    );
    let start = std::time::Instant::now();
    let error = home.error(&Overrides {
        in_background: true,
        ..Overrides::default()
    });
    assert!(error.to_string().contains("did not end within"), "{error}");
    assert!(start.elapsed() < std::time::Duration::from_secs(60));
}

#[test]
fn activation_settings_come_from_the_file_and_the_environment() {
    let mut home = Home::new();
    home.write(
        FILE,
        "server = \"https://sign.example.org\"\n[activation]\nreason = \"Nightly\"\nkeys = [\"a\"]\nsignatures = 7\n",
    );
    let load = |home: &Home| home.load(&Overrides::default()).map(|it| it.activation);
    let activation = load(&home).unwrap();
    assert_eq!(activation.reason.as_deref(), Some("Nightly"));
    assert_eq!((activation.signatures, activation.lease_seconds), (7, 3600));
    assert_eq!(activation.wait_in, WaitIn::Login);
    home.set("COUNTERSIGN_REASON", "By hand")
        .set("COUNTERSIGN_KEYS", "b, c,")
        .set("COUNTERSIGN_SIGNATURES", "9")
        .set("COUNTERSIGN_WAIT_IN", "sign");
    let activation = load(&home).unwrap();
    assert_eq!(activation.reason.as_deref(), Some("By hand"));
    assert_eq!(activation.keys, ["b", "c"]);
    assert_eq!(
        (activation.signatures, activation.wait_in),
        (9, WaitIn::Sign)
    );
    for (variable, value) in [
        ("COUNTERSIGN_WAIT_IN", "never"),
        ("COUNTERSIGN_SIGN_SECONDS", "0"),
        ("COUNTERSIGN_SIGNATURES", "many"),
        ("COUNTERSIGN_LEASE_SECONDS", "-1"),
    ] {
        home.set(variable, value);
        let error = load(&home).unwrap_err().to_string();
        assert!(error.contains(variable), "{error}");
    }
    let home = Home::new();
    home.write(
        FILE,
        "server = \"https://sign.example.org\"\n[activation]\nsign_seconds = 0\n",
    );
    let error = load(&home).unwrap_err().to_string();
    assert!(error.contains("sign_seconds"), "{error}");
}
