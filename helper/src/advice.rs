//! Errors as the user reads them on the page: what happened, and what to do next.

use countersign_protocol::{
    cvc::{DeviceId, Fingerprint},
    helper::{HelperError, HelperErrorCode},
    words,
};

use crate::{
    origin::Origin,
    prompt::{PromptError, text},
};

fn error(code: HelperErrorCode, message: impl Into<String>) -> HelperError {
    HelperError {
        code,
        message: message.into(),
    }
}

pub(crate) fn version_mismatch() -> HelperError {
    error(
        HelperErrorCode::Version,
        "This page and your card helper have different versions. Update the helper, then reload the page.",
    )
}

pub(crate) fn unknown_message(why: &serde_json::Error) -> HelperError {
    error(
        HelperErrorCode::Invalid,
        format!(
            "The page sent an unknown message ({why}). Reload the page; if it happens again, update the helper."
        ),
    )
}

pub(crate) fn invalid(why: impl std::fmt::Display) -> HelperError {
    error(HelperErrorCode::Invalid, why.to_string())
}

pub(crate) fn busy() -> HelperError {
    error(
        HelperErrorCode::Busy,
        "Your card helper is already showing a prompt. Answer it first; it may be behind this window.",
    )
}

pub(crate) fn rate_limited() -> HelperError {
    error(
        HelperErrorCode::Busy,
        "This page sent too many requests. Wait 1 minute, then try again.",
    )
}

pub(crate) fn cancelled() -> HelperError {
    error(
        HelperErrorCode::Cancelled,
        "You cancelled in the helper's window. Your card signed nothing.",
    )
}

/// Cancelling in the helper's window does not decline: the server does not learn of it.
pub(crate) fn approval_cancelled() -> HelperError {
    error(
        HelperErrorCode::Cancelled,
        "You cancelled in the helper's window. Your card signed nothing, and the request is still pending. To decline \
         it, use Decline on the page.",
    )
}

pub(crate) fn prompt_failed(why: PromptError) -> HelperError {
    match why {
        PromptError::Failed(why) => error(
            HelperErrorCode::PromptFailed,
            format!(
                "The helper couldn't show its window: {why}. Nothing was signed. Install a pinentry program for your desktop \
                 (such as pinentry-gnome3 or pinentry-qt), select another one with `--pinentry`, or start the helper in a \
                 terminal with `--prompt terminal`. See the helper's log for details."
            ),
        ),
        PromptError::Unanswered => error(
            HelperErrorCode::Unanswered,
            "The helper's prompt was not answered in time. Nothing was signed. Try again and look for the helper's window: \
             it may be behind others, or on another screen. If no window opens, see the helper's log.",
        ),
    }
}

pub(crate) fn pin_cancelled() -> HelperError {
    error(
        HelperErrorCode::PinCancelled,
        "No PIN of 6 to 16 characters was entered. Nothing was signed, and no PIN try was used.",
    )
}

pub(crate) fn task_refused(why: impl std::fmt::Display) -> HelperError {
    error(
        HelperErrorCode::TaskRejected,
        format!("{why} Nothing was signed."),
    )
}

pub(crate) fn server_key_changed(
    origin: &Origin,
    expected: &Fingerprint,
    received: &Fingerprint,
) -> HelperError {
    task_refused(format!(
        "The server key of {origin} has changed. Expected: \"{}\". Received: \"{}\". The server may have been \
         reinstalled, or someone may be impersonating it. Ask your admin. Only if the new key is confirmed, run \
         `countersign-helper origins forget {origin}` and log in again.",
        words::of_server_key(expected),
        words::of_server_key(received),
    ))
}

pub(crate) fn server_unknown(origin: &Origin) -> HelperError {
    task_refused(format!(
        "Your card helper doesn't know the server key of {origin} yet. Log in once, so that you can check the key."
    ))
}

pub(crate) fn card_missing(device: &DeviceId) -> HelperError {
    error(
        HelperErrorCode::CardMissing,
        format!("Card {device} is not in a reader. Insert it, then try again."),
    )
}

pub(crate) fn key_missing(key: &Fingerprint) -> HelperError {
    error(
        HelperErrorCode::CardMissing,
        format!(
            "No card in your readers holds key {}. Insert the card that you enrolled with, then try again.",
            key.short()
        ),
    )
}

pub(crate) fn card_refused(why: impl std::fmt::Display) -> HelperError {
    error(HelperErrorCode::CardRefused, why.to_string())
}

pub(crate) fn card_changed() -> HelperError {
    error(
        HelperErrorCode::CardLost,
        "The card in the reader has changed. Nothing was signed. Insert your own card, then start again.",
    )
}

pub(crate) fn card_attached(server: &Origin) -> HelperError {
    error(
        HelperErrorCode::Busy,
        format!(
            "This card is in use by {server}. Close the page that attached it, then try again."
        ),
    )
}

pub(crate) fn card_lost(why: impl std::fmt::Display) -> HelperError {
    error(
        HelperErrorCode::CardLost,
        format!(
            "The connection to the card was lost: {why}. Nothing was sent to the server. Check the card, then try again."
        ),
    )
}

pub(crate) fn no_session() -> HelperError {
    error(
        HelperErrorCode::Invalid,
        "The PIN session has ended (after 1 minute, or because the card was removed). Approve again.",
    )
}

pub(crate) fn pin_wrong(tries: Option<u8>) -> HelperError {
    let left = tries.map_or_else(String::new, |tries| {
        format!(", {} left", text::count(tries, "try"))
    });
    error(
        HelperErrorCode::PinWrong,
        format!("Wrong PIN{left}. Nothing was sent to the server."),
    )
}

pub(crate) fn pin_blocked() -> HelperError {
    error(
        HelperErrorCode::PinBlocked,
        "This card's PIN is blocked. Your admin can reset it only if the card was initialised for that; otherwise enrol a \
         spare card.",
    )
}

pub(crate) fn pin_not_set() -> HelperError {
    card_refused("This card has no PIN yet. Initialise it with a PIN first.")
}

pub(crate) fn pin_transport() -> HelperError {
    card_refused(
        "This card still has its transport PIN. Change the PIN first, for example with `pkcs15-tool --change-pin`.",
    )
}

pub(crate) fn internal(why: impl std::fmt::Display) -> HelperError {
    error(
        HelperErrorCode::Internal,
        format!("The helper failed: {why}. See the helper's log for details."),
    )
}
