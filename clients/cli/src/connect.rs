//! From the global options to a client.

use countersign_client::{Client, ClientError, Overrides, Settings};

use crate::args::Global;

/// A client with the configured token.
pub fn client(global: &Global) -> Result<Client, ClientError> {
    let overrides = Overrides {
        config: global.config.clone(),
        server: global.server.clone(),
        token_file: global.token_file.clone(),
        ca_file: global.ca_file.clone(),
    };
    Client::from_settings(Settings::load(&overrides)?)
}
