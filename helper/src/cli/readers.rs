//! `countersign-helper readers`.

use countersign_protocol::helper::{CardState, PinState};

use super::CardArgs;
use crate::{
    cards::CardReaders,
    prompt::text::{count, printable},
};

pub(super) fn list(args: &CardArgs) -> anyhow::Result<()> {
    let readers = CardReaders::new(args.sources()?, args.anchors()?).list();
    if readers.is_empty() {
        println!("No readers found. Connect a reader, and check that pcscd is running.");
    }
    for reader in readers {
        println!("{}", printable(&reader.name));
        match reader.card {
            CardState::Empty => println!("  no card"),
            CardState::Unusable { why } => println!("  {}", printable(&why)),
            CardState::Ready(card) => {
                println!(
                    "  {} \"{}\", certified by {}",
                    card.device.serial(),
                    printable(&card.label),
                    card.anchor
                );
                println!("  PIN: {}", pin(card.pin));
                for key in card.keys {
                    let name = key
                        .chr
                        .map_or_else(|| key.fingerprint.short(), |chr| chr.to_string());
                    let suitable = key
                        .unsuitable
                        .map_or(String::new(), |why| format!(" (not usable: {why})"));
                    println!(
                        "  key {name} \"{}\", {}{}",
                        printable(&key.label),
                        key.kind,
                        printable(&suitable)
                    );
                }
            }
        }
    }
    Ok(())
}

fn pin(state: PinState) -> String {
    match state {
        PinState::Ready { tries: Some(tries) } => format!("{} left", count(tries, "try")),
        PinState::Ready { tries: None } => "ready".to_owned(),
        PinState::Blocked => "blocked".to_owned(),
        PinState::NotSet => "not set".to_owned(),
        PinState::Transport => "transport PIN: change it first".to_owned(),
    }
}
