//! Attaches a card until the server has finished: waits for the card, and reconnects after failures.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use countersign_client::roots::CaFile;

use super::{
    address::Address,
    choice::{ChoiceError, Found, SeveralCards, choose},
    exchange::{Exchange, Trust},
    filter::PinCommands,
    pause::Pause,
    report::Report,
    session::{self, End, SessionError, Stop},
};
use crate::cards::CardSource;

/// How often to look for a missing card.
const CARD_INTERVAL: Duration = Duration::from_secs(1);
/// How often a pause checks whether it was stopped.
const STOP_INTERVAL: Duration = Duration::from_millis(100);

/// The card, the server and the rules of their sessions.
pub struct Attachment {
    /// The server's address.
    pub address: Address,
    /// Certificate authorities (PEM) that are trusted in addition to the system's.
    pub ca_file: Option<CaFile>,
    pub sources: Vec<Arc<dyn CardSource>>,
    /// The reader's name or its beginning, or `None` for the only reader with a SmartCard-HSM.
    pub reader: Option<String>,
    /// Which PIN commands reach the card.
    pub pins: PinCommands,
    /// Whether to give up at the first failure.
    pub once: bool,
}

/// Why a card is no longer attached.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    #[error(transparent)]
    Trust(#[from] countersign_client::ConfigError),
    #[error(transparent)]
    Choice(#[from] SeveralCards),
    #[error("the server rejected this card: {0}")]
    Refused(String),
    /// A permanent failure, or any failure if there is only one attempt.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// Attaches a card. Returns `true` when the server has finished, and `false` when the user has stopped. Blocks.
///
/// # Errors
/// The authorities cannot be loaded, the server rejects the card, or a session fails permanently.
pub fn attach(
    attachment: &Attachment,
    stop: &Stop,
    report: &dyn Report,
) -> Result<bool, AttachError> {
    let trust = Trust::load(&attachment.address, attachment.ca_file.as_ref())?;
    let mut pause = Pause::new();
    let mut first = true;
    let mut previous = None;
    loop {
        let found = wait_for_card(attachment, previous.as_deref(), stop, report)?;
        let Some((reader, card)) = found else {
            return Ok(false);
        };
        previous = Some(reader.clone());
        let began = Instant::now();
        report.status(&format!(
            "Attaching the card in reader {reader} to {}",
            attachment.address.origin()
        ));
        let exchange = Exchange::new(&attachment.address, &trust);
        let error = match session::run(&exchange, card, attachment.pins, stop, report) {
            Ok(End::Finished) => {
                report.status("The server has finished; the card was reset");
                return Ok(true);
            }
            Ok(End::Stopped) => {
                report.status("Stopped; the card was reset");
                return Ok(false);
            }
            Ok(End::Refused(why)) => return Err(AttachError::Refused(why)),
            Err(error) => error,
        };
        let temporary = match &error {
            // After the first attempt, a certificate error is treated as temporary, because the certificate may be about to be
            // renewed and no one may be present to restart this program.
            SessionError::Exchange(error) => {
                error.is_temporary() && !(first && error.is_configuration_error())
            }
            SessionError::Card(_) => true,
            SessionError::Message(_) => false,
        };
        if attachment.once || !temporary {
            return Err(error.into());
        }
        first = false;
        let wait = pause.after(began);
        report.status(&format!(
            "Not attached: {error}. The card was reset; next attempt in {:.0} s",
            wait.as_secs_f64().ceil()
        ));
        if !sleep(wait, stop) {
            return Ok(false);
        }
    }
}

/// Sleeps, and returns `false` if it was stopped meanwhile.
fn sleep(time: Duration, stop: &Stop) -> bool {
    let until = Instant::now() + time;
    while Instant::now() < until {
        if stop.is_stopped() {
            return false;
        }
        std::thread::sleep(STOP_INTERVAL.min(until.saturating_duration_since(Instant::now())));
    }
    !stop.is_stopped()
}

fn wait_for_card(
    attachment: &Attachment,
    previous: Option<&str>,
    stop: &Stop,
    report: &dyn Report,
) -> Result<Option<Found>, AttachError> {
    let mut reported = None;
    while !stop.is_stopped() {
        let why = match choose(&attachment.sources, attachment.reader.as_deref(), previous) {
            Ok(found) => return Ok(Some(found)),
            // A person must choose. Later, the other card may be pulled out again.
            Err(ChoiceError::Several(several)) if previous.is_none() => return Err(several.into()),
            Err(ChoiceError::Card(why)) if attachment.once => {
                return Err(SessionError::from(why).into());
            }
            Err(why) => why.to_string(),
        };
        if reported.as_ref() != Some(&why) {
            report.status(&format!("Waiting for a card: {why}"));
            reported = Some(why);
        }
        sleep(CARD_INTERVAL, stop);
    }
    Ok(None)
}
