//! Where the configuration is.

use std::path::PathBuf;

use anyhow::Context;

use super::ConfigArgs;

impl ConfigArgs {
    pub(super) fn folder(&self) -> anyhow::Result<PathBuf> {
        if let Some(folder) = &self.config_dir {
            return Ok(folder.clone());
        }
        let variable = |name| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let base = if cfg!(windows) {
            variable("APPDATA")
        } else if cfg!(target_os = "macos") {
            variable("HOME").map(|home| home.join("Library/Application Support"))
        } else {
            variable("XDG_CONFIG_HOME")
                .or_else(|| variable("HOME").map(|home| home.join(".config")))
        };
        base.map(|base| base.join("countersign-helper"))
            .context("no home folder is known: name a folder with --config-dir")
    }

    /// An option may stand before or behind the subcommand.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            config_dir: other.config_dir.or(self.config_dir),
        }
    }
}
