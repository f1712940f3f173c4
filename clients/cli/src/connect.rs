//! Creates the client and its settings from the global options.

use countersign_client::{Client, ClientError, Overrides, Settings};

use crate::args::Global;

pub fn client(global: &Global) -> Result<Client, ClientError> {
    Client::from_settings(settings(global)?)
}

pub fn settings(global: &Global) -> Result<Settings, ClientError> {
    let overrides = Overrides {
        config: global.config.clone(),
        server: global.server.clone(),
        token_file: global.token_file.clone(),
        ca_file: global.ca_file.clone(),
    };
    Ok(Settings::load(&overrides)?)
}
