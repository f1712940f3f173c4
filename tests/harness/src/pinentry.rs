//! The scripted pinentry of simulated custodians: it answers prompts as its script says and records their texts.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Environment variable with the path of the [`ScriptedPrompt`] file.
pub const SCRIPT: &str = "COUNTERSIGN_SCRIPTED_PINENTRY";

/// How the simulated custodian answers prompts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ScriptedPrompt {
    /// Whether the custodian consents.
    pub consent: bool,
    /// The PIN that the custodian types; `None` closes the prompt.
    pub pin: Option<String>,
    /// File to which every prompt is appended, as JSON lines.
    pub shown: PathBuf,
}

/// One prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownPrompt {
    /// `CONFIRM` or `GETPIN`.
    pub command: String,
    pub text: String,
}

impl ScriptedPrompt {
    /// Writes the file that the pinentry program reads at every prompt.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        std::fs::write(path, serde_json::to_vec(self)?)?;
        Ok(())
    }

    /// All prompts so far.
    pub fn prompts(&self) -> Vec<ShownPrompt> {
        std::fs::read_to_string(&self.shown)
            .unwrap_or_default()
            .lines()
            .map(|line| serde_json::from_str(line).expect("the scripted pinentry wrote this line"))
            .collect()
    }
}
