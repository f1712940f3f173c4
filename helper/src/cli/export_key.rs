//! `countersign-helper export-key`.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write},
    path::PathBuf,
};

use anyhow::{Context, bail};
use clap::Args;
use countersign_protocol::cvc::Chr;

use super::{CardArgs, ConfigArgs, prompt_args::PromptArgs};
use crate::{cards::CardDesk, export, prompt::PromptDesk};

/// Label of a new key that is given none.
const LABEL: &str = "custodian";

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// Label or name (CHR) of the key; not needed where there is only one. With --generate: the new key's label.
    #[arg(long, value_name = "LABEL")]
    key: Option<String>,
    /// Generate a new key with this name: country code, holder, five digits or letters, such as DECUST0100001.
    #[arg(long, value_name = "CHR")]
    generate: Option<Chr>,
    /// Serial number of the card that generates the key; not needed where there is only one.
    #[arg(long, value_name = "SERIAL", requires = "generate")]
    card: Option<String>,
    /// Where to write the key's request and its card's certificates.
    #[arg(long, value_name = "FILE.pka")]
    out: PathBuf,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    prompt: PromptArgs,
    #[command(flatten)]
    cards: CardArgs,
}

pub(super) fn export(args: ExportArgs) -> anyhow::Result<()> {
    let shown = args.out.display();
    // Before a key is generated whose file could not be written.
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&args.out);
    let mut file = match created {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{shown} exists already: choose another name, or delete it")
        }
        created => created.with_context(|| format!("cannot write {shown}"))?,
    };
    let desk = CardDesk::new(args.cards.sources()?, args.cards.anchors()?);
    let exported = match &args.generate {
        None => export::find(&desk, args.key.as_deref()),
        Some(chr) => {
            let prompt = args.prompt.prompt(&args.config.folder()?)?;
            let label = args.key.as_deref().unwrap_or(LABEL);
            let prompts = PromptDesk::new(prompt);
            export::generate(&desk, &prompts, args.card.as_deref(), label, chr)
        }
    };
    let written = exported.map_err(anyhow::Error::from).and_then(|exported| {
        // The format that all tools read.
        file.write_all(&exported.file.to_old_format())?;
        file.sync_all()?;
        Ok(exported)
    });
    let exported = match written {
        Ok(exported) => exported,
        Err(error) => {
            // An empty file would look like an export.
            drop(file);
            let _ = std::fs::remove_file(&args.out);
            return Err(error);
        }
    };
    println!("{exported}");
    println!(
        "written to {shown}. Give it to whoever sets the HSM up: `sc-hsm-tool --register-public-key {shown}` registers it"
    );
    Ok(())
}
