//! Errors as people need them: what happened, and what to do.

use countersign_protocol::{
    cvc::{DeviceId, Fingerprint},
    helper::{HelperError, HelperErrorCode},
    text::count,
};

use crate::{origin::Origin, prompt::PromptError};

fn error(code: HelperErrorCode, message: impl Into<String>) -> HelperError {
    HelperError {
        code,
        message: message.into(),
    }
}

pub(crate) fn no_hello() -> HelperError {
    error(
        HelperErrorCode::Version,
        "This page and your card helper don't speak the same version. Update the helper, then reload the page.",
    )
}

pub(crate) fn not_understood(why: &serde_json::Error) -> HelperError {
    error(
        HelperErrorCode::Invalid,
        format!(
            "The helper didn't understand the page's message ({why}). Reload the page; if it happens again, update the helper."
        ),
    )
}

pub(crate) fn invalid(why: impl std::fmt::Display) -> HelperError {
    error(HelperErrorCode::Invalid, why.to_string())
}

pub(crate) fn busy() -> HelperError {
    error(
        HelperErrorCode::Busy,
        "Another question of your card helper is open. Answer it first; it may be behind this window.",
    )
}

pub(crate) fn too_many_questions() -> HelperError {
    error(
        HelperErrorCode::Busy,
        "This page asked too often within a minute. Wait a minute, then try again.",
    )
}

pub(crate) fn declined() -> HelperError {
    error(
        HelperErrorCode::Declined,
        "Declined in the helper's window. Nothing was signed.",
    )
}

pub(crate) fn not_answered(why: PromptError) -> HelperError {
    match why {
        PromptError::Failed(why) => error(
            HelperErrorCode::PromptFailed,
            format!(
                "The helper could not ask you: {why}. Nothing was signed. Install a pinentry program for your desktop (such as \
                 pinentry-gnome3 or pinentry-qt), name another one with `--pinentry`, or start the helper in a terminal with \
                 `--prompt terminal`. Its log tells more."
            ),
        ),
        PromptError::Unanswered => error(
            HelperErrorCode::Unanswered,
            "Nobody answered the helper's question in time. Nothing was signed. Try again, and look for its window: it may \
             be behind others, or on another screen. If none opens, the helper's log tells more.",
        ),
    }
}

pub(crate) fn pin_cancelled() -> HelperError {
    error(
        HelperErrorCode::PinCancelled,
        "No PIN of 6 to 16 characters was entered. Nothing was signed, and no try was used.",
    )
}

pub(crate) fn task_refused(why: impl std::fmt::Display) -> HelperError {
    error(
        HelperErrorCode::TaskRefused,
        format!("{why} Nothing was signed."),
    )
}

pub(crate) fn server_key_changed(
    origin: &Origin,
    known: &Fingerprint,
    found: &Fingerprint,
) -> HelperError {
    task_refused(format!(
        "This server isn't the one you enrolled with: {origin} had the key \"{}\", now it shows \"{}\". Either the \
         server was set up anew, or somebody else answers in its place. Talk to your admin before going on; only if \
         the new key is confirmed, run `countersign-helper origins forget {origin}` and log in again.",
        known.words().join(" "),
        found.words().join(" "),
    ))
}

pub(crate) fn server_unknown(origin: &Origin) -> HelperError {
    task_refused(format!(
        "Your card helper doesn't know the key of the server at {origin} yet. Log in once, so that you can check it."
    ))
}

pub(crate) fn card_missing(device: &DeviceId) -> HelperError {
    error(
        HelperErrorCode::CardMissing,
        format!("The card {device} is not in a reader. Insert it, then try again."),
    )
}

pub(crate) fn key_missing(key: &Fingerprint) -> HelperError {
    error(
        HelperErrorCode::CardMissing,
        format!(
            "No card in your readers holds the key {}. Insert the card that you enrolled with, then try again.",
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
        "Another card is in the reader now. Nothing was signed. Insert your own card and start again.",
    )
}

pub(crate) fn card_lent(server: &Origin) -> HelperError {
    error(
        HelperErrorCode::Busy,
        format!(
            "This card is attached to {server}. Close the page that wanted it, then try again."
        ),
    )
}

pub(crate) fn card_lost(why: impl std::fmt::Display) -> HelperError {
    error(
        HelperErrorCode::CardLost,
        format!("The card can't be reached: {why}. Nothing was sent. When it is back, try again."),
    )
}

pub(crate) fn no_session() -> HelperError {
    error(
        HelperErrorCode::Invalid,
        "There is no open PIN session: it ended after a minute, or the card was removed. Authenticate again.",
    )
}

pub(crate) fn pin_wrong(tries: Option<u8>) -> HelperError {
    let left = match tries {
        Some(tries) => format!(", {} left", count(tries, "try")),
        None => String::new(),
    };
    error(
        HelperErrorCode::PinWrong,
        format!("PIN wrong{left}. Nothing was sent."),
    )
}

pub(crate) fn pin_blocked() -> HelperError {
    error(
        HelperErrorCode::PinBlocked,
        "This card's PIN is blocked. Your admin can reset it only if the card was set up so; otherwise enrol a spare card.",
    )
}

pub(crate) fn pin_not_set() -> HelperError {
    card_refused("This card has no PIN yet. Initialise it with a PIN before it is used here.")
}

pub(crate) fn pin_transport() -> HelperError {
    card_refused(
        "This card still has its transport PIN. Change the PIN first, for example with `pkcs15-tool --change-pin`.",
    )
}

pub(crate) fn internal(why: impl std::fmt::Display) -> HelperError {
    error(
        HelperErrorCode::Internal,
        format!("The helper failed: {why}. Its log tells more."),
    )
}
