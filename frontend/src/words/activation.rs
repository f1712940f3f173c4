//! Activations in words.

use countersign_protocol::{activation::ActivationState, purpose::Purpose, text::capitalised};

/// One word, as stable as the wire's.
pub fn state_name(state: &ActivationState) -> &'static str {
    match state {
        ActivationState::Queued => "queued",
        ActivationState::Collecting => "collecting",
        ActivationState::Open { .. } => "open",
        ActivationState::Ended { .. } => "ended",
    }
}

/// What was asked for, as a title.
pub fn purpose(purpose: &Purpose) -> String {
    capitalised(&purpose.in_words(|label, _| format!("“{label}”")))
}
