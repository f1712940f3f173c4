//! Runs one session: asks the user, connects to the card, and attaches it. Blocks.

use std::sync::Arc;

use super::request::Trigger;
use crate::{
    helper::Helper,
    origin::{AttachRequest, Origin},
    prompt::{AttachQuestion, Deadline, text::printable},
    remote::{PinCommands, Report, Stop, attach_once},
};

/// The result that the page sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The server has finished.
    Passed,
    /// The session failed after the user allowed it, or the request can never succeed.
    Failed,
    /// The user denied the request, or the page no longer waits.
    NoResponse,
}

/// Asks the user and runs the session. `slot` is released together with the card.
pub(super) fn run(
    helper: &Arc<Helper>,
    trigger: &Trigger,
    page: Option<Origin>,
    reader: &str,
    slot: impl Send + 'static,
    deadline: &Deadline,
    stop: &Stop,
) -> Outcome {
    let request = AttachRequest {
        page,
        server: trigger.server.clone(),
    };
    if trigger.pin {
        return refuse_pin(helper, &request);
    }
    let question = AttachQuestion {
        reader: helper.cards.free_reader(reader),
        request: request.clone(),
    };
    if !helper.origin_policy().may_attach(&question, deadline) {
        return Outcome::NoResponse;
    }
    if !helper.within_rate_limit(&trigger.server) {
        tracing::warn!("rejected {request}: too many sessions within 1 min");
        return Outcome::Failed;
    }
    let Some(reader) = question.reader.or_else(|| helper.cards.free_reader(reader)) else {
        notify(
            helper,
            format!(
                "No card was attached to {}: no card is inserted, or it is in use. Insert the card, then start again on the page.",
                request.server
            ),
        );
        return Outcome::Failed;
    };
    let card = match helper.cards.connect_for(&reader, &request.server, slot) {
        Ok(card) => card,
        Err(error) => {
            notify(
                helper,
                format!("No card was attached to {}: {error}", request.server),
            );
            return Outcome::Failed;
        }
    };
    tracing::info!("attached {request}, in reader {reader}");
    let cookies = trigger.session.as_ref();
    let ended = attach_once(
        &trigger.address,
        cookies,
        card,
        PinCommands::Never,
        stop,
        &Log,
    );
    match ended {
        Ok(true) => {
            tracing::info!("{} finished; the card was reset", request.server);
            Outcome::Passed
        }
        Ok(false) => {
            tracing::info!(
                "the page closed its session with {}; the card was reset",
                request.server
            );
            Outcome::NoResponse
        }
        Err(error) => {
            notify(
                helper,
                format!(
                    "The card is no longer attached to {}: {error}. The card was reset. You can start again on the page.",
                    request.server
                ),
            );
            Outcome::Failed
        }
    }
}

/// Refuses to verify a PIN, because the server could then make the card sign content that the helper never showed.
fn refuse_pin(helper: &Arc<Helper>, request: &AttachRequest) -> Outcome {
    let text = format!(
        "The helper rejected {request}. The page requires your PIN to be verified first, which would let the server use every \
         key on the card unseen. Nothing was sent. If you need this, use CardContact's client with a card that isn't a \
         custodian's card."
    );
    if helper.origin_policy().deny(request) {
        notify(helper, text);
    } else {
        tracing::warn!("{text}");
    }
    Outcome::Failed
}

/// Logs the text and shows it to the user, without waiting until it is read.
fn notify(helper: &Arc<Helper>, text: String) {
    tracing::warn!("{}", printable(&text));
    let helper = helper.clone();
    std::thread::spawn(move || {
        if let Some(prompt) = helper.prompts.try_acquire() {
            prompt.notice(&text);
        }
    });
}

/// Writes the events of a session to the log.
struct Log;

impl Report for Log {
    fn status(&self, line: &str) {
        tracing::info!("{}", printable(line));
    }

    fn refused(&self, what: &str) {
        tracing::warn!(
            "refused {what} from the server: it did not reach the card, because a page's server must not unlock it"
        );
    }
}
