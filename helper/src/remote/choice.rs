//! Chooses the card to attach. A card that the user did not mean, such as their own, must never reach a server by accident.

use std::sync::Arc;

use countersign_card::{CardError, SmartCardHsm, Transport, TransportError};

use crate::cards::CardSource;

/// A reader, and the connection to its card.
pub(super) type Found = (String, Box<dyn Transport>);

/// Several cards could be meant.
#[derive(Debug, thiserror::Error)]
#[error(
    "several readers have a card that could be meant ({}): name one of them with --reader, because the server can use the card \
     that is attached to it",
    .0.join(", ")
)]
pub struct SeveralCards(Vec<String>);

/// Why no card is chosen.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChoiceError {
    #[error(transparent)]
    Several(#[from] SeveralCards),
    #[error(transparent)]
    Card(#[from] TransportError),
}

/// Connects to the card in the reader whose name is or begins with `wanted`, or to the only SmartCard-HSM if no reader is named.
/// Among several cards, only an exact name or the reader of the `previous` session decides.
pub(super) fn choose(
    sources: &[Arc<dyn CardSource>],
    wanted: Option<&str>,
    previous: Option<&str>,
) -> Result<Found, ChoiceError> {
    let mut has_reader = false;
    let mut occupied = Vec::new();
    for source in sources {
        for reader in source.readers()? {
            if wanted.is_none_or(|wanted| reader.name.starts_with(wanted)) {
                has_reader = true;
                if reader.occupied {
                    occupied.push((source, reader.name));
                }
            }
        }
    }
    if wanted.is_none() {
        occupied.retain(|(source, reader)| is_possible(source.as_ref(), reader));
    }
    let decided = [wanted, previous]
        .into_iter()
        .flatten()
        .find_map(|name| occupied.iter().find(|(_, reader)| reader == name));
    match (decided, occupied.as_slice()) {
        (Some((source, reader)), _) | (None, [(source, reader)]) => {
            Ok((reader.clone(), source.connect(reader)?))
        }
        (None, []) => Err(no_card(has_reader, wanted).into()),
        (None, several) => {
            let names = several.iter().map(|(_, reader)| reader.clone());
            Err(SeveralCards(names.collect()).into())
        }
    }
}

/// Whether the card in a reader is a SmartCard-HSM. A card that cannot be examined, such as one that another program uses, may be
/// one.
fn is_possible(source: &dyn CardSource, reader: &str) -> bool {
    let examined = source
        .connect(reader)
        .map_err(CardError::from)
        .and_then(SmartCardHsm::open);
    !matches!(
        examined,
        Err(CardError::NotASmartCardHsm | CardError::Transport(TransportError::Removed))
    )
}

fn no_card(has_reader: bool, wanted: Option<&str>) -> TransportError {
    match wanted {
        Some(wanted) if !has_reader => TransportError::Unavailable(format!(
            "no reader's name begins with `{wanted}`; `countersign-helper readers` lists all readers"
        )),
        None if has_reader => TransportError::Unavailable(
            "no reader has a SmartCard-HSM; insert one, or name the reader with --reader".into(),
        ),
        None => TransportError::Unavailable("connect one, and check that pcscd is running".into()),
        Some(_) => TransportError::Removed,
    }
}
