//! The API clients of the process, created when they are first needed.

use std::{sync::OnceLock, time::Duration};

use countersign_client::{
    ActivationSettings, Client, ClientError, ConfigError, Overrides, Retry, Settings, Timeouts,
};

/// Time limits for calls during the start of a program, which must not hang while the server is unreachable.
const QUICK: Timeouts = Timeouts {
    connect: Duration::from_secs(3),
    response: Duration::from_secs(10),
    grace: Duration::from_secs(5),
    // Not used, because no signature is requested with these limits.
    signature: Duration::from_secs(10),
};

#[derive(Default)]
pub struct Connection {
    clients: OnceLock<Result<Clients, Failure>>,
}

struct Clients {
    quick: Client,
    regular: Client,
    settings: ActivationSettings,
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

    /// The client with short time limits.
    ///
    /// # Errors
    /// The configuration is missing or invalid.
    pub fn quick(&self) -> Result<&Client, ClientError> {
        self.with(|clients| &clients.quick)
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
            Err(failure) => Err(ClientError::Config(ConfigError::Earlier(
                failure.why.clone(),
            ))),
        }
    }

    /// The settings of activations, or the defaults if the configuration is invalid.
    pub fn settings(&self) -> ActivationSettings {
        match self.clients() {
            Ok(clients) => clients.settings.clone(),
            Err(_) => ActivationSettings::default(),
        }
    }

    /// Whether a configuration exists, even an invalid one.
    pub fn is_configured(&self) -> bool {
        match self.clients() {
            Ok(_) => true,
            Err(failure) => failure.is_configured,
        }
    }
}

impl Clients {
    fn load() -> Result<Self, ClientError> {
        let settings = Settings::load(&Overrides::default())?;
        let activation = settings.activation.clone();
        let client = Client::from_settings(settings)?;
        let twice = Retry {
            attempts: 2,
            ..Retry::default()
        };
        let regular = Timeouts {
            connect: QUICK.connect,
            grace: QUICK.grace,
            signature: Duration::from_secs(activation.sign_seconds.into()),
            ..Timeouts::default()
        };
        Ok(Self {
            quick: client.with_timeouts(QUICK, twice),
            regular: client.with_timeouts(regular, Retry::default()),
            settings: activation,
        })
    }
}
