//! The API clients of the process, created when they are first needed.

use std::{
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, Instant},
};

use countersign_client::{
    ActivationSettings, Client, ClientError, ConfigError, Overrides, Retry, Settings, Timeouts,
    silence::Silence, words::duration,
};

use crate::{addressed::is_addressed, report};

/// Limit of the calls during the start of a program, which must not hang while the server is unreachable.
const START: Duration = Duration::from_secs(10);
/// The same for programs that do not use the module, but in which it was loaded nevertheless.
const START_UNADDRESSED: Duration = Duration::from_secs(1);
/// How long such a program does not try again after a failure.
const REST: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(3);

/// When the server last failed in a program that does not use the module. It outlives `C_Finalize`, because libraries
/// initialise modules several times.
static LAST_FAILURE: Mutex<Option<Instant>> = Mutex::new(None);

#[derive(Default)]
pub struct Connection {
    clients: OnceLock<Result<Clients, Failure>>,
}

struct Clients {
    /// Without retries, and without messages.
    quiet: Client,
    regular: Client,
    settings: ActivationSettings,
    is_addressed: bool,
}

/// Why the clients could not be created. The failure is stored, because the configuration is read only once.
struct Failure {
    why: String,
    is_configured: bool,
}

impl Connection {
    fn clients(&self) -> &Result<Clients, Failure> {
        self.clients.get_or_init(|| {
            Clients::load().map_err(|error| Failure {
                why: error.to_string(),
                is_configured: match &error {
                    // A configuration file without a server is a mistake, but a missing file is not.
                    ClientError::Config(ConfigError::NoServer { file }) => file.exists(),
                    ClientError::Config(ConfigError::NoHome) => false,
                    _ => true,
                },
            })
        })
    }

    /// Makes calls during the start of a program, which together have a short time limit. Returns `None` without any call
    /// if the program does not use the module and the server has just failed.
    ///
    /// # Errors
    /// The configuration is missing or invalid, or a call failed.
    pub fn start<T>(
        &self,
        calls: impl FnOnce(&Client) -> Result<T, ClientError>,
    ) -> Option<Result<T, ClientError>> {
        let clients = match self.clients() {
            Ok(clients) => clients,
            Err(failure) => return Some(Err(failure.error())),
        };
        if clients.is_addressed {
            let twice = Retry {
                attempts: 2,
                ..Retry::default()
            };
            let timeouts = Timeouts {
                response: START,
                ..clients.regular.timeouts()
            };
            let client = clients.regular.with_timeouts(timeouts, twice);
            return Some(calls(&client.within(START)));
        }
        // The lock is only tried, because after a fork the thread that holds it may not exist.
        let last = LAST_FAILURE.try_lock().ok().and_then(|last| *last);
        if last.is_some_and(|at| at.elapsed() < REST) {
            return None;
        }
        let result = calls(&clients.quiet.within(START_UNADDRESSED));
        if let Ok(mut last) = LAST_FAILURE.try_lock() {
            *last = result.is_err().then(Instant::now);
        }
        Some(result)
    }

    /// The client for calls whose failure nobody needs to know, without retries.
    ///
    /// # Errors
    /// The configuration is missing or invalid.
    pub fn quiet(&self) -> Result<&Client, ClientError> {
        self.with(|clients| &clients.quiet)
    }

    /// The client with regular time limits, for activations and signatures.
    ///
    /// # Errors
    /// The configuration is missing or invalid.
    pub fn regular(&self) -> Result<&Client, ClientError> {
        self.with(|clients| &clients.regular)
    }

    fn with(&self, choose: impl FnOnce(&Clients) -> &Client) -> Result<&Client, ClientError> {
        match self.clients() {
            Ok(clients) => Ok(choose(clients)),
            Err(failure) => Err(failure.error()),
        }
    }

    /// The settings of activations, or the defaults if the configuration is invalid.
    pub fn settings(&self) -> ActivationSettings {
        match self.clients() {
            Ok(clients) => clients.settings.clone(),
            Err(_) => ActivationSettings::default(),
        }
    }

    /// Whether the user should see why the server cannot be used. On a machine without a configuration, and in a program
    /// that does not use the module, nobody should.
    pub fn reports_failures(&self) -> bool {
        match self.clients() {
            Ok(clients) => clients.is_addressed,
            Err(failure) => failure.is_configured && is_addressed(),
        }
    }
}

impl Clients {
    fn load() -> Result<Self, ClientError> {
        let is_addressed = is_addressed();
        let settings = Settings::load(&Overrides {
            in_background: !is_addressed,
            ..Overrides::default()
        })?;
        let activation = settings.activation.clone();
        let client = Client::from_settings(settings)?;
        let regular = Timeouts {
            connect: CONNECT,
            signature: Duration::from_secs(activation.sign_seconds.into()),
            ..Timeouts::default()
        };
        let once = Retry {
            attempts: 1,
            ..Retry::default()
        };
        let quiet = client.with_timeouts(regular, once);
        let regular = client
            .with_timeouts(regular, Retry::default())
            .on_silence(Arc::new(report_silence));
        Ok(Self {
            quiet,
            regular,
            settings: activation,
            is_addressed,
        })
    }
}

impl Failure {
    fn error(&self) -> ClientError {
        ClientError::Config(ConfigError::Earlier(self.why.clone()))
    }
}

fn report_silence(silence: Silence<'_>) {
    report::line(&format!(
        "still waiting for an answer from {}, for at most {} more",
        silence.server,
        duration(silence.left)
    ));
}
