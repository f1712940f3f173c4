//! Consent, card, and the whole session. Blocks.

use std::sync::Arc;

use super::request::Trigger;
use crate::{
    helper::Helper,
    origin::{Attaching, Origin},
    prompt::{AttachQuestion, Patience, text::printable},
    remote::{PinCommands, Report, Stop, attach_once},
};

/// What the page gets to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The server has finished.
    Passed,
    /// Something failed after the user agreed, or can't ever work.
    Failed,
    /// Refused, or nobody waits any more: nothing.
    Nothing,
}

/// Asks the user, and does what was asked for. `turn` is given back when the card is.
pub(super) fn run(
    helper: &Arc<Helper>,
    trigger: &Trigger,
    page: Option<Origin>,
    reader: &str,
    turn: impl Send + 'static,
    patience: &Patience,
    stop: &Stop,
) -> Outcome {
    let wish = Attaching {
        page,
        server: trigger.server.clone(),
    };
    if trigger.pin {
        return refuse_pin(helper, &wish);
    }
    let question = AttachQuestion {
        reader: helper.cards.free_reader(reader),
        wish: wish.clone(),
    };
    if !helper.gate().admit_attaching(&question, patience) {
        return Outcome::Nothing;
    }
    if !helper.may_ask(&trigger.server) {
        tracing::warn!("refused: {wish}: too often within a minute");
        return Outcome::Failed;
    }
    let Some(reader) = question.reader.or_else(|| helper.cards.free_reader(reader)) else {
        tell(
            helper,
            format!(
                "No card could be attached to {}: none is in a reader, or it is in use. Insert it, then start again on the page.",
                wish.server
            ),
        );
        return Outcome::Failed;
    };
    let card = match helper.cards.lend(&reader, &wish.server, turn) {
        Ok(card) => card,
        Err(error) => {
            tell(
                helper,
                format!("No card could be attached to {}: {error}", wish.server),
            );
            return Outcome::Failed;
        }
    };
    tracing::info!("attaching {wish}, in {reader}");
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
            tracing::info!("{}: finished; the card was reset", wish.server);
            Outcome::Passed
        }
        Ok(false) => {
            tracing::info!("{}: nobody waits any more; the card was reset", wish.server);
            Outcome::Nothing
        }
        Err(error) => {
            tell(
                helper,
                format!(
                    "The card is no longer attached to {}: {error}. It was reset. You can start again on the page.",
                    wish.server
                ),
            );
            Outcome::Failed
        }
    }
}

/// With a verified PIN the server could make the card sign anything: what a card signs is for the user to see, here.
fn refuse_pin(helper: &Arc<Helper>, wish: &Attaching) -> Outcome {
    let text = format!(
        "Refused: {wish}. The page wants your PIN to be verified first; the server could then use every key on the card unseen. \
         Nothing was sent. If you want this, use CardContact's client, with a card that approves nothing here."
    );
    if helper.gate().turn_away(wish) {
        tell(helper, text);
    } else {
        tracing::warn!("{text}");
    }
    Outcome::Failed
}

/// Tells the user, without waiting until it is read. The log has it in any case.
fn tell(helper: &Arc<Helper>, text: String) {
    tracing::warn!("{}", printable(&text));
    let helper = helper.clone();
    std::thread::spawn(move || {
        if let Some(seat) = helper.prompts.sit() {
            seat.notice(&text);
        }
    });
}

/// What happens is for the log; how it ends, for the user's eyes.
struct Log;

impl Report for Log {
    fn tell(&self, line: &str) {
        tracing::info!("{}", printable(line));
    }

    fn refused(&self, what: &str) {
        tracing::warn!(
            "refused: the server sent {what}. Nothing reached the card: a page's server may not unlock it"
        );
    }
}
