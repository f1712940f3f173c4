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
use crate::{cards::CardReaders, export, prompt::Prompts};

/// The default label of a new key.
const DEFAULT_LABEL: &str = "custodian";

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// Label or key ID (CHR) of the key, if several keys exist. With --generate, the new key's label.
    #[arg(long, value_name = "LABEL")]
    key: Option<String>,
    /// Generate a key with this key ID: country code, 1 to 9 characters, 5 characters, such as DECUST0100001.
    #[arg(long, value_name = "CHR")]
    generate: Option<Chr>,
    /// Serial number of the card that generates the key, if several cards are inserted.
    #[arg(long, value_name = "SERIAL", requires = "generate")]
    card: Option<String>,
    /// File for the key's request and its card's certificates. It must not exist.
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
    // The file is created first, so that no key is generated if its file cannot be written.
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&args.out);
    let mut file = match created {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{shown} exists already: choose another name, or delete the file")
        }
        created => created.with_context(|| format!("cannot write {shown}"))?,
    };
    let readers = CardReaders::new(args.cards.sources()?, args.cards.anchors()?);
    let exported = match &args.generate {
        None => export::find(&readers, args.key.as_deref()),
        Some(chr) => {
            let prompt = args.prompt.prompt(&args.config.directory()?)?;
            let label = args.key.as_deref().unwrap_or(DEFAULT_LABEL);
            let prompts = Prompts::new(prompt);
            export::generate(&readers, &prompts, args.card.as_deref(), label, chr)
        }
    };
    let written = exported.map_err(anyhow::Error::from).and_then(|exported| {
        // All tools can read the old format.
        file.write_all(&exported.file.to_old_format())?;
        file.sync_all()?;
        Ok(exported)
    });
    let exported = match written {
        Ok(exported) => exported,
        Err(error) => {
            // An empty file could be mistaken for an export.
            drop(file);
            let _ = std::fs::remove_file(&args.out);
            return Err(error);
        }
    };
    println!("{exported}");
    println!("Wrote {shown}");
    println!(
        "To register the key with OpenSC, run `sc-hsm-tool --register-public-key {shown}` on the machine with the HSM. A Countersign server needs an enrolment in its portal instead."
    );
    Ok(())
}
