//! Selects how the user is prompted.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use clap::{Args, ValueEnum};

use crate::prompt::{PinentryPrompt, Prompt, TerminalPrompt, find_pinentry};

/// Options of commands that ask for consent and PIN.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct PromptArgs {
    /// Pinentry program [default: the first one found on the search path].
    #[arg(long, value_name = "PROGRAM")]
    pinentry: Option<PathBuf>,
    /// Where to ask for consent and PIN.
    #[arg(long, value_enum, default_value_t)]
    prompt: PromptKind,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum PromptKind {
    /// In windows of a pinentry program.
    #[default]
    Pinentry,
    /// On this terminal.
    Terminal,
}

impl PromptArgs {
    pub(super) fn prompt(self, config: &Path) -> anyhow::Result<Arc<dyn Prompt>> {
        match (self.prompt, self.pinentry) {
            (PromptKind::Terminal, _) => Ok(Arc::new(TerminalPrompt::new())),
            (PromptKind::Pinentry, program) => {
                let program = program.or_else(find_pinentry).context(
                    "no pinentry found: install one (such as pinentry-gnome3 or pinentry-qt), or use --prompt terminal",
                )?;
                tracing::info!("selected pinentry {}", program.display());
                Ok(Arc::new(PinentryPrompt::new(
                    program,
                    &config.join("lists"),
                )))
            }
        }
    }
}
