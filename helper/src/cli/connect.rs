//! `countersign-helper connect`.

use std::{io::IsTerminal, path::PathBuf, sync::Arc};

use anyhow::Context;
use clap::Args;
use countersign_client::roots::CaFile;

use super::CardArgs;
use crate::remote::{Address, Attachment, PinCommands, Stop, Terminal, attach};

/// The exit status of a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// Options of `connect`.
#[derive(Debug, Args)]
pub struct ConnectArgs {
    /// Address of the server, such as https://sign.example.org/rt/hsm.
    url: String,
    /// Reader of the card, or the beginning of its name [default: the only reader with a SmartCard-HSM].
    #[arg(long, value_name = "NAME")]
    reader: Option<String>,
    /// Exit at the first failure, and do not wait for a card.
    #[arg(long)]
    once: bool,
    /// Also trust the certificate authorities in this PEM file.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Allow an unencrypted connection to another computer.
    #[arg(long)]
    allow_http: bool,
    /// Forward PIN commands that are encrypted for the card, without asking. The server can then initialise the card, which erases
    /// it, and use up its PIN tries.
    #[arg(long)]
    allow_encrypted_pin_commands: bool,
    /// Forward all PIN commands without asking, also unencrypted ones, which anyone on the network path can read.
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
        pins: if args.allow_pin_commands {
            PinCommands::All
        } else if args.allow_encrypted_pin_commands {
            PinCommands::EncryptedOnly
        } else if is_interactive() {
            PinCommands::Ask
        } else {
            PinCommands::Never
        },
        once: args.once,
    };
    let stop = Arc::new(Stop::default());
    let stopper = stop.clone();
    ctrlc::set_handler(move || {
        // Only the card is reset here. The connection can block for a long time, and ends with the process.
        stopper.stop();
        std::process::exit(INTERRUPTED);
    })
    .context("cannot handle Ctrl-C")?;
    if !attach(&attachment, &stop, &Terminal::default())? {
        std::process::exit(INTERRUPTED);
    }
    Ok(())
}

/// Whether the user can be asked on a terminal.
fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}
