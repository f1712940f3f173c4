//! The pinentry of played custodians: answers as they would, and keeps what it was shown.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Environment variable with the path of the [`Behaviour`] file.
pub const BEHAVIOUR: &str = "COUNTERSIGN_PLAYED_PINENTRY";

/// How the played custodian answers prompts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Behaviour {
    /// Answer to every consent.
    pub consent: bool,
    /// What is typed as PIN; `None` closes the prompt.
    pub pin: Option<String>,
    /// Where every text that was shown is appended, as JSON lines.
    pub shown: PathBuf,
}

/// One prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// `CONFIRM` or `GETPIN`.
    pub command: String,
    /// The text.
    pub text: String,
}

impl Behaviour {
    /// Writes the file that the pinentry program reads at every prompt.
    ///
    /// # Errors
    /// File system's.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        std::fs::write(path, serde_json::to_vec(self)?)?;
        Ok(())
    }

    /// All prompts so far.
    pub fn prompts(&self) -> Vec<Shown> {
        std::fs::read_to_string(&self.shown)
            .unwrap_or_default()
            .lines()
            .map(|line| serde_json::from_str(line).expect("written by the played pinentry"))
            .collect()
    }
}
