//! Attaching a card for as long as the server wants it: waits for the card, connects again.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use countersign_card::{Transport, TransportError};
use countersign_client::roots::CaFile;

use super::{
    address::Address,
    exchange::{Exchange, Trust},
    filter::PinCommands,
    pause::Pause,
    report::Report,
    session::{self, End, SessionError, Stop},
};
use crate::cards::CardSource;

/// How often a missing card is looked for.
const LOOK: Duration = Duration::from_secs(1);
/// A pause is interrupted this fast.
const SLICE: Duration = Duration::from_millis(100);

/// What is attached to what.
pub struct Attachment {
    /// The server.
    pub address: Address,
    /// Certificate authorities that are trusted besides the system's (PEM).
    pub ca_file: Option<CaFile>,
    /// Where cards are.
    pub sources: Vec<Arc<dyn CardSource>>,
    /// How the reader's name begins; without it, the first reader with a card.
    pub reader: Option<String>,
    /// Whether readable PIN commands reach the card.
    pub pins: PinCommands,
    /// Give up at the first failure.
    pub once: bool,
}

/// Why a card is not attached any more.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// Certificate authorities.
    #[error(transparent)]
    Trust(#[from] countersign_client::ConfigError),
    /// The server's word.
    #[error("the server refuses this card: {0}")]
    Refused(String),
    /// Something that will not pass by itself, or must not be waited for.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// Attaches a card until the server has finished (`true`) or the person has stopped (`false`). Blocks.
///
/// # Errors
/// [`AttachError`].
pub fn attach(
    attachment: &Attachment,
    stop: &Stop,
    report: &dyn Report,
) -> Result<bool, AttachError> {
    let trust = Trust::load(&attachment.address, attachment.ca_file.as_ref())?;
    let mut pause = Pause::new();
    let mut first = true;
    loop {
        let Some((reader, card)) = wait_for_card(attachment, stop, report)? else {
            return Ok(false);
        };
        let began = Instant::now();
        report.tell(&format!(
            "Attaching the card in {reader} to {}",
            attachment.address.shown()
        ));
        let exchange = Exchange::new(&attachment.address, &trust);
        let error = match session::run(&exchange, card, attachment.pins, stop, report) {
            Ok(End::Finished) => {
                report.tell("The server has finished; the card was reset");
                return Ok(true);
            }
            Ok(End::Stopped) => {
                report.tell("Stopped; the card was reset");
                return Ok(false);
            }
            Ok(End::Refused(why)) => return Err(AttachError::Refused(why)),
            Err(error) => error,
        };
        let passes = match &error {
            // Certificates are renewed while nobody is here to start this again.
            SessionError::Exchange(error) => error.passes() && !(first && error.is_of_setup()),
            SessionError::Card(_) => true,
            SessionError::Message(_) => false,
        };
        if attachment.once || !passes {
            return Err(error.into());
        }
        first = false;
        let wait = pause.after(began);
        report.tell(&format!(
            "Not attached: {error}. The card was reset; next try in {:.0} s",
            wait.as_secs_f64().ceil()
        ));
        if !sleep(wait, stop) {
            return Ok(false);
        }
    }
}

/// Whether the time passed without a stop.
fn sleep(time: Duration, stop: &Stop) -> bool {
    let until = Instant::now() + time;
    while Instant::now() < until {
        if stop.is_stopped() {
            return false;
        }
        std::thread::sleep(SLICE.min(until.saturating_duration_since(Instant::now())));
    }
    !stop.is_stopped()
}

type Found = (String, Box<dyn Transport>);

fn wait_for_card(
    attachment: &Attachment,
    stop: &Stop,
    report: &dyn Report,
) -> Result<Option<Found>, SessionError> {
    let mut told = None;
    while !stop.is_stopped() {
        let why = match find(attachment) {
            Ok(found) => return Ok(Some(found)),
            Err(why) => why,
        };
        if attachment.once {
            return Err(why.into());
        }
        if told.as_ref() != Some(&why) {
            report.tell(&format!("Waiting for a card: {why}"));
            told = Some(why);
        }
        sleep(LOOK, stop);
    }
    Ok(None)
}

fn find(attachment: &Attachment) -> Result<Found, TransportError> {
    let wanted = attachment.reader.as_deref().unwrap_or_default();
    let mut there = false;
    for source in &attachment.sources {
        for reader in source.readers()? {
            if !reader.name.starts_with(wanted) {
                continue;
            }
            there = true;
            if reader.occupied {
                let card = source.connect(&reader.name)?;
                return Ok((reader.name, card));
            }
        }
    }
    Err(if there {
        TransportError::Removed
    } else if wanted.is_empty() {
        TransportError::Unavailable("connect one, and check that pcscd is running".into())
    } else {
        TransportError::Unavailable(format!(
            "none has a name that begins with `{wanted}`; `countersign-helper readers` lists them"
        ))
    })
}
