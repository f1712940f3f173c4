//! Creates the client and its settings from the global options.

use std::sync::Arc;

use countersign_client::{
    Client, ClientError, Overrides, Settings, silence::Silence, words::duration,
};

use crate::{args::Global, progress};

pub fn client(global: &Global) -> Result<Client, ClientError> {
    client_of(settings(global)?)
}

/// A client that reports when the server takes long to answer.
pub fn client_of(settings: Settings) -> Result<Client, ClientError> {
    let client = Client::from_settings(settings)?;
    Ok(client.on_silence(Arc::new(report_silence)))
}

fn report_silence(silence: Silence<'_>) {
    progress::line(&format!(
        "Still waiting for an answer from {}, for at most {} more",
        silence.server,
        duration(silence.left)
    ));
}

pub fn settings(global: &Global) -> Result<Settings, ClientError> {
    let overrides = Overrides {
        config: global.config.clone(),
        server: global.server.clone(),
        token_file: global.token_file.clone(),
        ca_file: global.ca_file.clone(),
        in_background: false,
    };
    Ok(Settings::load(&overrides)?)
}
