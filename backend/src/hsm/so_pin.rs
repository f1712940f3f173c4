//! The SO-PIN: entered on the server's machine, never in somebody's browser.

use std::{io::IsTerminal, path::PathBuf, sync::Mutex};

use countersign_card::SoPin;
use zeroize::Zeroizing;

use super::HsmError;
use crate::config::HsmConfig;

/// One question at a time on the server's terminal.
static TERMINAL: Mutex<()> = Mutex::new(());

/// From the configured file, systemd's credentials, or the server's terminal.
///
/// # Errors
/// [`HsmError::SoPin`] says where it can be put.
pub async fn obtain(config: &HsmConfig) -> Result<SoPin, HsmError> {
    let credential = std::env::var_os("CREDENTIALS_DIRECTORY")
        .map(|folder| PathBuf::from(folder).join(format!("{}.so-pin", config.id)))
        .filter(|file| file.exists());
    let id = config.id.to_string();
    if let Some(file) = config.so_pin_file.clone().or(credential) {
        let text = tokio::fs::read_to_string(&file).await.map_err(|why| {
            HsmError::SoPin(format!("the server cannot read {}: {why}", file.display()))
        })?;
        return parse(Zeroizing::new(text));
    }
    if !std::io::stdin().is_terminal() {
        return Err(HsmError::SoPin(format!(
            "the SO-PIN of HSM {id} is needed at the server: set `so_pin_file` in its configuration, or give systemd the \
             credential `{id}.so-pin`, or run the server on a terminal"
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
