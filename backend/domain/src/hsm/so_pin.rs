//! Obtains the SO-PIN on the server's machine, so that it is never entered in a browser.

use std::{
    io::{IsTerminal, Read},
    path::{Path, PathBuf},
    sync::Mutex,
};

use countersign_card::SoPin;
use countersign_protocol::id::HsmId;
use zeroize::Zeroizing;

use super::HsmError;
use crate::config::Config;

/// Allows one prompt at a time on the server's terminal.
static TERMINAL: Mutex<()> = Mutex::new(());

/// Longest file that is read, in bytes. A longer one has no SO-PIN, and its end is not read.
const LONGEST: usize = 256;

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
        let unreadable = |why: &dyn std::fmt::Display| {
            HsmError::SoPin(format!(
                "the server cannot read the SO-PIN file {}: {why}",
                file.display()
            ))
        };
        let path = file.clone();
        let text = tokio::task::spawn_blocking(move || read(&path))
            .await
            .map_err(|why| unreadable(&why))?
            .map_err(|why| unreadable(&why))?;
        return parse(str::from_utf8(&text).map_err(|why| unreadable(&why))?);
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
        parse(&Zeroizing::new(text))
    })
    .await
    .map_err(|why| HsmError::SoPin(why.to_string()))?
}

/// Reads a file into memory that is wiped.
fn read(file: &Path) -> std::io::Result<Zeroizing<Vec<u8>>> {
    // The memory is more than enough, so the text is never copied to a larger allocation.
    let mut text = Zeroizing::new(Vec::with_capacity(2 * LONGEST));
    let longest = u64::try_from(LONGEST).unwrap_or(u64::MAX);
    std::fs::File::open(file)?
        .take(longest)
        .read_to_end(&mut text)?;
    Ok(text)
}

fn parse(text: &str) -> Result<SoPin, HsmError> {
    SoPin::from_hex(text).map_err(|error| HsmError::SoPin(error.to_string()))
}
