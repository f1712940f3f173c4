//! Activations in words.

use countersign_protocol::{
    activation::ActivationState,
    purpose::{Purpose, Scope},
};

use super::count;

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
    match purpose {
        Purpose::Sign {
            keys,
            scope: Scope::Manifest { files },
        } => {
            let files = count(files.files().len() as u64, "file");
            format!("Sign {files} with {keys}")
        }
        Purpose::Sign {
            keys,
            scope: Scope::Open,
        } => format!("Sign anything with {keys}"),
        Purpose::GenerateKey { label, key_type } => {
            format!("Generate the key “{label}” ({key_type})")
        }
    }
}
