//! What to tell people about the helper: what is the case, and what to do.

use countersign_protocol::{
    helper::{CardState, HelperError, HelperErrorCode, PinState, ReaderView, Step},
    problem::Problem,
};

use super::Status;
use crate::{browser, words, work::problem};

/// A status in words.
pub struct Advice {
    /// Class of the light: `good`, `wait` or `bad`.
    pub tone: &'static str,
    /// What is the case.
    pub what: String,
    /// What to do; empty: nothing.
    pub then: String,
}

fn say(tone: &'static str, what: impl Into<String>, then: impl Into<String>) -> Advice {
    Advice {
        tone,
        what: what.into(),
        then: then.into(),
    }
}

/// A status in words.
pub fn advice(status: &Status) -> Advice {
    match status {
        Status::Unused | Status::Connecting => say("wait", "Looking for your card helper …", ""),
        Status::Asking => say(
            "wait",
            "Waiting for your permission",
            "The card helper asks whether this site may talk to it: look at its window. Your browser may ask too, about \
             apps on this device: choose Allow.",
        ),
        Status::NotRunning => say(
            "bad",
            "Card helper not running",
            format!(
                "Start countersign-helper on this computer; this page finds it by itself. If it runs, it may have been told \
                 not to talk to {}: wait a minute and press Try again.",
                browser::origin()
            ),
        ),
        Status::NotAllowed => say(
            "bad",
            "The card helper was not allowed to talk to this site",
            "Nothing was sent. Press Try again after a minute and choose “always” or “this time” in the helper's window. If no \
             window opens, the helper's log tells why.",
        ),
        Status::Blocked => say(
            "bad",
            "Your browser blocks the card helper",
            "The browser was told not to let this site talk to apps on this device. Click the icon left of the address, \
             allow “apps on device”, then press Try again. Safari can't do it: use another browser.",
        ),
        Status::OtherVersion { message } => say(
            "bad",
            "Card helper and page have different versions",
            message.clone(),
        ),
        Status::Lost => say(
            "bad",
            "The connection to the card helper was lost",
            "It is tried again by itself. If that takes long, start countersign-helper again.",
        ),
        Status::Ready {
            version, readers, ..
        } => cards(version, readers),
    }
}

fn cards(version: &str, readers: &[ReaderView]) -> Advice {
    let ready: Vec<_> = readers.iter().filter_map(super::ready).collect();
    if let [card] = ready.as_slice() {
        return match pin_advice(card.pin) {
            Some(then) => say(
                "bad",
                format!("Card {} can't be used yet", card.device),
                then,
            ),
            None => say(
                "good",
                format!("Card {} is ready", card.device),
                match card.pin {
                    PinState::Ready {
                        tries: Some(tries @ ..3),
                    } => format!("{} left.", words::count(tries, "PIN try")),
                    _ => String::new(),
                },
            ),
        };
    }
    if !ready.is_empty() {
        return say("good", format!("{} cards are ready", ready.len()), "");
    }
    let unusable = readers.iter().find_map(|reader| match &reader.card {
        CardState::Unusable { why } => Some((&reader.name, why)),
        CardState::Empty | CardState::Ready(_) => None,
    });
    match unusable {
        Some((reader, why)) => say("bad", "This card can't be used", format!("{reader}: {why}")),
        None if readers.is_empty() => say(
            "bad",
            "No card reader",
            format!(
                "Card helper {version} runs. Connect your reader, or the USB stick with the card."
            ),
        ),
        None => say(
            "bad",
            "No card",
            "Insert your card into the reader; this page notices it by itself.",
        ),
    }
}

fn pin_advice(pin: PinState) -> Option<&'static str> {
    match pin {
        PinState::Ready { .. } => None,
        PinState::Blocked => Some(
            "Its PIN is blocked. Your admin can reset it only if the card was set up so; otherwise enrol a spare card.",
        ),
        PinState::NotSet => Some("It has no PIN. Initialise it with a PIN before it is used here."),
        PinState::Transport => Some(
            "It still has its transport PIN. Change the PIN first, for example with pkcs15-tool --change-pin.",
        ),
    }
}

/// What the helper waits for.
pub fn step_words(step: Option<Step>) -> &'static str {
    match step {
        None => "Asking the card helper …",
        Some(Step::WaitingForConsent) => {
            "Look at the helper's window: it shows what you are about to allow. Compare it with this page."
        }
        Some(Step::WaitingForPin) => "Type the PIN at the helper, not here.",
        Some(Step::GeneratingKey) => "The card makes a key. That can take a minute.",
        Some(Step::Signing) => "The card signs …",
    }
}

/// The helper's refusal.
pub fn refused(error: HelperError) -> Problem {
    let title = match error.code {
        HelperErrorCode::Version => "Card helper and page have different versions",
        HelperErrorCode::Invalid => "The helper could not do this",
        HelperErrorCode::TaskRefused => "The helper refused the server's request",
        HelperErrorCode::Declined => "Declined at the helper",
        HelperErrorCode::PromptFailed => "The helper could not ask you",
        HelperErrorCode::Unanswered => "No answer at the helper",
        HelperErrorCode::PinCancelled => "No PIN was entered",
        HelperErrorCode::PinWrong => "PIN wrong",
        HelperErrorCode::PinBlocked => "PIN blocked",
        HelperErrorCode::CardMissing => "Your card is not here",
        HelperErrorCode::CardRefused => "This card can't do it",
        HelperErrorCode::CardLost => "The card was removed",
        HelperErrorCode::Busy => "The helper is busy",
        HelperErrorCode::Internal => "The helper failed",
    };
    problem(title, error.message)
}

/// No answer came.
pub fn not_connected(status: &Status) -> Problem {
    let advice = advice(status);
    problem(&advice.what, advice.then)
}

/// An answer to another question.
pub fn unexpected() -> Problem {
    problem(
        "The helper's answer isn't understood",
        "Update the helper, then reload the page.",
    )
}
