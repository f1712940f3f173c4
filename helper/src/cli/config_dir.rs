//! Finds the configuration directory.

use std::path::PathBuf;

use anyhow::Context;

use super::ConfigArgs;

impl ConfigArgs {
    pub(super) fn directory(&self) -> anyhow::Result<PathBuf> {
        if let Some(directory) = &self.config_dir {
            return Ok(directory.clone());
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
            .context("cannot find the home directory: set --config-dir")
    }

    /// The option can be before or after the subcommand.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            config_dir: other.config_dir.or(self.config_dir),
        }
    }
}
