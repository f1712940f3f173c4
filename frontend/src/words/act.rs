//! Acts in words.

use countersign_protocol::act::ActState;

/// The state as a label.
pub fn act_state_name(state: &ActState) -> &'static str {
    match state {
        ActState::AwaitingSignatures => "Waiting for signatures",
        ActState::CarryingOut => "In progress",
        ActState::CarriedOut => "Carried out",
        ActState::Withdrawn { .. } => "Withdrawn",
        ActState::Expired => "Expired",
        ActState::Interrupted => "Interrupted",
    }
}

/// What became of the act; empty while it has not ended.
pub fn act_end(state: &ActState) -> String {
    match state {
        ActState::AwaitingSignatures | ActState::CarryingOut => String::new(),
        ActState::CarriedOut => "It was carried out.".to_owned(),
        ActState::Withdrawn { by } => format!("{} withdrew it. Nothing was changed.", by.name),
        ActState::Expired => {
            "Its signatures were not complete in time. Nothing was changed.".to_owned()
        }
        ActState::Interrupted => {
            "The server stopped while it was carried out. Check what it was to change before you propose it again."
                .to_owned()
        }
    }
}
