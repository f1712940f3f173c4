//! From the global options to a client.

use countersign_client::{Client, ClientError, Overrides, Settings};

use crate::args::Global;

/// A client with the configured token.
pub fn client(global: &Global) -> Result<Client, ClientError> {
    Client::from_settings(settings(global)?)
}

/// The configuration.
pub fn settings(global: &Global) -> Result<Settings, ClientError> {
    let overrides = Overrides {
        config: global.config.clone(),
        server: global.server.clone(),
        token_file: global.token_file.clone(),
        ca_file: global.ca_file.clone(),
    };
    Ok(Settings::load(&overrides)?)
}
