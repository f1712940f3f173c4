//! Obtains the SO-PIN on the server's machine, so that it is never entered in a browser.

use std::{io::IsTerminal, path::PathBuf, sync::Mutex};

use countersign_card::SoPin;
use countersign_protocol::id::HsmId;
use zeroize::Zeroizing;

use super::HsmError;
use crate::config::Config;

/// Allows one prompt at a time on the server's terminal.
static TERMINAL: Mutex<()> = Mutex::new(());

/// Reads the SO-PIN from the configured file, from systemd's credentials or from the server's terminal.
pub async fn obtain(config: &Config, hsm: &HsmId) -> Result<SoPin, HsmError> {
    let id = hsm.to_string();
    let configured = config.hsms.iter().find(|configured| configured.id == *hsm);
    let configured = configured.and_then(|configured| configured.so_pin_file.clone());
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let in_directories = [config.so_pin_dir.clone(), credentials]
        .into_iter()
        .flatten()
        .map(|directory| directory.join(format!("{id}.so-pin")))
        .find(|file| file.exists());
    if let Some(file) = configured.or(in_directories) {
        let text = tokio::fs::read_to_string(&file).await.map_err(|why| {
            HsmError::SoPin(format!(
                "the server cannot read the SO-PIN file {}: {why}",
                file.display()
            ))
        })?;
        return parse(Zeroizing::new(text));
    }
    if !std::io::stdin().is_terminal() {
        return Err(HsmError::SoPin(format!(
            "the server has no SO-PIN for HSM {id}: set `so_pin_file` of the HSM in the configuration, put the file \
             `{id}.so-pin` into the directory `so_pin_dir`, pass it as a systemd credential, or run the server on a terminal"
        )));
    }
    tokio::task::spawn_blocking(move || {
        let _guard = TERMINAL.lock().map_err(|_| {
            HsmError::SoPin("the prompt for an earlier SO-PIN failed: restart the server".into())
        })?;
        let prompt =
            format!("SO-PIN of HSM {id}, which will be ERASED and initialised (16 hex digits): ");
        let text = rpassword::prompt_password(prompt).map_err(|why| {
            HsmError::SoPin(format!(
                "the server could not read the SO-PIN from its terminal: {why}"
            ))
        })?;
        parse(Zeroizing::new(text))
    })
    .await
    .map_err(|why| HsmError::SoPin(why.to_string()))?
}

fn parse(text: Zeroizing<String>) -> Result<SoPin, HsmError> {
    SoPin::from_hex(&text).map_err(|error| HsmError::SoPin(error.to_string()))
}
