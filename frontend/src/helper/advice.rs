//! Texts about the helper: what happened, and what to do next.

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
    pub status: String,
    /// The next action of the user; empty if none is needed.
    pub action: String,
}

fn say(tone: &'static str, status: impl Into<String>, action: impl Into<String>) -> Advice {
    Advice {
        tone,
        status: status.into(),
        action: action.into(),
    }
}

/// The status and the next action of the user.
pub fn advice(status: &Status) -> Advice {
    match status {
        Status::Unused | Status::Connecting => say("wait", "Looking for your card helper…", ""),
        Status::Prompting => say(
            "wait",
            "Waiting for your permission",
            "The card helper's window asks whether to allow this site: choose Allow. Your browser may also ask about apps on \
             this device: choose Allow there, too.",
        ),
        Status::NotRunning => say(
            "bad",
            "Card helper not running",
            format!(
                "Start `countersign-helper` on this computer. If it is running, you may have denied {}: wait 1 minute, \
                 then select “Try again”.",
                browser::origin()
            ),
        ),
        Status::Denied => say(
            "bad",
            "The card helper denied this site",
            "Nothing was sent. Wait 1 minute, select “Try again”, and choose Allow in the helper's window. If no window \
             opens, the helper's log shows the reason.",
        ),
        Status::Blocked => say(
            "bad",
            "Your browser blocks the card helper",
            "This site isn't allowed to connect to apps on this device. Select the icon to the left of the address, allow \
             “Apps on device”, then select “Try again”. Safari doesn't support this: use another browser.",
        ),
        Status::OtherVersion { message } => say(
            "bad",
            "Card helper and page have different versions",
            message.clone(),
        ),
        Status::Lost => say(
            "bad",
            "Connection to the card helper lost",
            "Reconnecting… If this takes long, restart `countersign-helper`.",
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
            Some(action) => say(
                "bad",
                format!("Card {} can't be used yet", card.device),
                action,
            ),
            None => say(
                "good",
                format!("Card {} is ready", card.device),
                match card.pin {
                    PinState::Ready {
                        tries: Some(tries @ ..3),
                    } => match tries {
                        1 => "1 PIN try left: a wrong PIN blocks the card.".to_owned(),
                        tries => format!("{} left.", words::count(tries, "PIN try")),
                    },
                    _ => String::new(),
                },
            ),
        };
    }
    if !ready.is_empty() {
        let cards = words::count(ready.len() as u64, "card");
        return say("good", format!("{cards} are ready"), "");
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
                "Card helper {version} is running. Connect your card reader, or the USB stick that contains the card."
            ),
        ),
        None => say(
            "bad",
            "No card",
            "Insert your card into the reader. This page updates automatically.",
        ),
    }
}

fn pin_advice(pin: PinState) -> Option<&'static str> {
    match pin {
        PinState::Ready { .. } => None,
        PinState::Blocked => Some(
            "Its PIN is blocked. Your admin can reset it only if the card was set up that way. Otherwise enrol a spare card.",
        ),
        PinState::NotSet => Some("It has no PIN. Initialise it with a PIN before you use it here."),
        PinState::Transport => Some(
            "It still has its transport PIN. Change the PIN first, for example with `pkcs15-tool --change-pin`.",
        ),
    }
}

/// The step that the helper carries out.
pub fn step_text(step: Option<Step>) -> &'static str {
    match step {
        None => "Contacting the card helper…",
        Some(Step::WaitingForConsent) => {
            "Check the helper's window. It shows what your card signs; compare it with this page."
        }
        Some(Step::WaitingForPin) => "Enter the PIN in the helper's window, not here.",
        Some(Step::GeneratingKey) => "The card generates a key. This can take 1 minute.",
        Some(Step::Signing) => "The card signs…",
    }
}

/// An error of the helper.
pub fn helper_problem(error: HelperError) -> Problem {
    let title = match error.code {
        HelperErrorCode::Version => "Card helper and page have different versions",
        HelperErrorCode::Invalid => "The helper could not do this",
        HelperErrorCode::TaskRejected => "The helper rejected the server's request",
        HelperErrorCode::Cancelled => "Cancelled in the helper's window",
        HelperErrorCode::PromptFailed => "The helper could not show its window",
        HelperErrorCode::Unanswered => "No answer in the helper's window",
        HelperErrorCode::PinCancelled => "No PIN was entered",
        HelperErrorCode::PinWrong => "Wrong PIN",
        HelperErrorCode::PinBlocked => "PIN blocked",
        HelperErrorCode::CardMissing => "Your card is not inserted",
        HelperErrorCode::CardRefused => "The card can't do this",
        HelperErrorCode::CardLost => "The card was removed",
        HelperErrorCode::Busy => "The helper is busy",
        HelperErrorCode::Internal => "The helper failed",
    };
    problem(title, error.message)
}

/// A request that can't be sent, or whose answer was lost.
pub fn not_connected(status: &Status) -> Problem {
    let advice = advice(status);
    problem(&advice.status, advice.action)
}

/// An answer that does not belong to the request.
pub fn unexpected() -> Problem {
    problem(
        "The helper sent an unknown message",
        "Update the helper, then reload the page.",
    )
}
