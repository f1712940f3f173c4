//! The way to the server, made when it is first needed.

use std::{sync::OnceLock, time::Duration};

use countersign_client::{
    ActivationSettings, Client, ClientError, ConfigError, Overrides, Retry, Settings, Timeouts,
};

/// For what programs do while they start: nobody waits long for a server that is away.
const QUICK: Timeouts = Timeouts {
    connect: Duration::from_secs(3),
    answer: Duration::from_secs(10),
    grace: Duration::from_secs(5),
    // Nobody signs with it.
    signature: Duration::from_secs(10),
};

/// The clients of a process.
#[derive(Default)]
pub struct Connection {
    clients: OnceLock<Result<Clients, Failure>>,
}

struct Clients {
    quick: Client,
    patient: Client,
    settings: ActivationSettings,
}

/// Why there is no client; kept, since settings are read once.
struct Failure {
    why: String,
    configured: bool,
}

impl Connection {
    fn clients(&self) -> &Result<Clients, Failure> {
        self.clients.get_or_init(|| {
            Clients::load().map_err(|error| Failure {
                why: error.to_string(),
                configured: match &error {
                    // A file without a server is somebody's mistake; no file is nobody's.
                    ClientError::Config(ConfigError::NoServer { file }) => file.exists(),
                    ClientError::Config(ConfigError::NoHome) => false,
                    _ => true,
                },
            })
        })
    }

    /// A client that gives up soon.
    ///
    /// # Errors
    /// The configuration's.
    pub fn quick(&self) -> Result<&Client, ClientError> {
        self.with(|clients| &clients.quick)
    }

    /// A client for what takes its time.
    ///
    /// # Errors
    /// The configuration's.
    pub fn patient(&self) -> Result<&Client, ClientError> {
        self.with(|clients| &clients.patient)
    }

    fn with(&self, choose: impl FnOnce(&Clients) -> &Client) -> Result<&Client, ClientError> {
        match self.clients() {
            Ok(clients) => Ok(choose(clients)),
            Err(failure) => Err(ClientError::Config(ConfigError::Earlier(
                failure.why.clone(),
            ))),
        }
    }

    /// What activations are asked for with.
    pub fn settings(&self) -> ActivationSettings {
        match self.clients() {
            Ok(clients) => clients.settings.clone(),
            Err(_) => ActivationSettings::default(),
        }
    }

    /// Whether somebody configured anything.
    pub fn is_configured(&self) -> bool {
        match self.clients() {
            Ok(_) => true,
            Err(failure) => failure.configured,
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
        let patient = Timeouts {
            connect: QUICK.connect,
            grace: QUICK.grace,
            signature: Duration::from_secs(activation.sign_seconds.into()),
            ..Timeouts::default()
        };
        Ok(Self {
            quick: client.paced(QUICK, twice),
            patient: client.paced(patient, Retry::default()),
            settings: activation,
        })
    }
}
