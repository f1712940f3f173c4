//! The SO-PIN: entered on the server's machine, never in somebody's browser.

use std::{io::IsTerminal, path::PathBuf, sync::Mutex};

use countersign_card::SoPin;
use countersign_protocol::id::HsmId;
use zeroize::Zeroizing;

use super::HsmError;
use crate::config::Config;

/// One question at a time on the server's terminal.
static TERMINAL: Mutex<()> = Mutex::new(());

/// From the configured file, systemd's credentials, or the server's terminal.
///
/// # Errors
/// [`HsmError::SoPin`] says where it can be put.
pub async fn obtain(config: &Config, hsm: &HsmId) -> Result<SoPin, HsmError> {
    let id = hsm.to_string();
    let configured = config.hsms.iter().find(|configured| configured.id == *hsm);
    let configured = configured.and_then(|configured| configured.so_pin_file.clone());
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let in_folders = [config.so_pin_dir.clone(), credentials]
        .into_iter()
        .flatten()
        .map(|folder| folder.join(format!("{id}.so-pin")))
        .find(|file| file.exists());
    if let Some(file) = configured.or(in_folders) {
        let text = tokio::fs::read_to_string(&file).await.map_err(|why| {
            HsmError::SoPin(format!("the server cannot read {}: {why}", file.display()))
        })?;
        return parse(Zeroizing::new(text));
    }
    if !std::io::stdin().is_terminal() {
        return Err(HsmError::SoPin(format!(
            "the SO-PIN of HSM {id} is needed at the server: set `so_pin_file` of the HSM, or put `{id}.so-pin` into the folder \
             `so_pin_dir` of the configuration, or give it to systemd as a credential, or run the server on a terminal"
        )));
    }
    tokio::task::spawn_blocking(move || {
        let _one = TERMINAL
            .lock()
            .map_err(|_| HsmError::SoPin("the terminal is in use".into()))?;
        let prompt =
            format!("SO-PIN of HSM {id}, which will be ERASED and set up anew (16 hex digits): ");
        let text = rpassword::prompt_password(prompt).map_err(|why| {
            HsmError::SoPin(format!("no SO-PIN came from the server's terminal: {why}"))
        })?;
        parse(Zeroizing::new(text))
    })
    .await
    .map_err(|why| HsmError::SoPin(why.to_string()))?
}

fn parse(text: Zeroizing<String>) -> Result<SoPin, HsmError> {
    SoPin::from_hex(&text).map_err(|error| HsmError::SoPin(error.to_string()))
}
