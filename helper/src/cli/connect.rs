//! `countersign-helper connect`.

use std::{io::IsTerminal, path::PathBuf, sync::Arc};

use anyhow::Context;
use clap::Args;
use countersign_client::roots::CaFile;

use super::CardArgs;
use crate::remote::{Address, Attachment, PinCommands, Stop, Terminal, attach};

/// Ended by Ctrl-C, as shells count it.
const INTERRUPTED: i32 = 130;

/// Options of `connect`.
#[derive(Debug, Args)]
pub struct ConnectArgs {
    /// Address of the server, such as https://sign.example.org/rt/hsm.
    url: String,
    /// Reader of the card, or how its name begins; the default is the first reader with a card.
    #[arg(long, value_name = "NAME")]
    reader: Option<String>,
    /// End at the first failure, and do not wait for the card.
    #[arg(long)]
    once: bool,
    /// Trust the certificate authorities in this file too (PEM).
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Allow an unencrypted connection to another computer.
    #[arg(long)]
    allow_http: bool,
    /// Pass on PIN commands that the server sends in the clear, without asking. Whoever runs the server then knows the PIN.
    #[arg(long)]
    allow_pin_commands: bool,
    #[command(flatten)]
    cards: CardArgs,
}

pub(super) fn connect(args: ConnectArgs) -> anyhow::Result<()> {
    let attachment = Attachment {
        address: Address::parse(&args.url, args.allow_http)?,
        ca_file: args.ca.map(|path| CaFile {
            path,
            named_by: "`--ca`",
        }),
        sources: args.cards.sources()?,
        reader: args.reader,
        pins: match (args.allow_pin_commands, somebody_is_there()) {
            (true, _) => PinCommands::Allowed,
            (false, true) => PinCommands::Asked,
            (false, false) => PinCommands::Refused,
        },
        once: args.once,
    };
    let stop = Arc::new(Stop::default());
    let stopper = stop.clone();
    ctrlc::set_handler(move || {
        // The card first: the connection may be waiting for long, and ends with the process.
        stopper.stop();
        std::process::exit(INTERRUPTED);
    })
    .context("Ctrl-C can't be caught")?;
    if !attach(&attachment, &stop, &Terminal::default())? {
        std::process::exit(INTERRUPTED);
    }
    Ok(())
}

/// Whether a question can be asked on a terminal.
fn somebody_is_there() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}
