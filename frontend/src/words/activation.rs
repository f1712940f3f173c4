//! Activations in words.

use countersign_protocol::{
    activation::{ActivationState, EndReason, Quorum},
    mechanism::Mechanism,
    purpose::{KeySet, Purpose, Scope},
    text::capitalised,
};

use super::{count, sentence};
use crate::clock;

/// The state as a label.
pub fn state_name(state: &ActivationState) -> &'static str {
    match state {
        ActivationState::Queued => "Queued",
        ActivationState::AwaitingApprovals => "Waiting for approvals",
        ActivationState::Open { .. } => "Open",
        ActivationState::Ended { .. } => "Ended",
    }
}

/// "1 of 2 approvals".
pub fn approvals(given: u8, quorum: Quorum) -> String {
    format!("{given} of {}", count(quorum.required, "approval"))
}

/// "1 more approval".
pub fn more_approvals(missing: u8) -> String {
    count(missing, "more approval")
}

/// How an activation ended, as a sentence. `approvals` are those that it had, where they are known.
pub fn end_sentence(reason: &EndReason, approvals: Option<String>) -> String {
    match reason {
        EndReason::Completed => "Completed.".to_owned(),
        EndReason::LeaseExpired => "The lease expired: its time limit was reached.".to_owned(),
        EndReason::SignatureLimitReached => "The lease reached its signature limit.".to_owned(),
        EndReason::Locked { by } => format!("Locked by {}.", by.name),
        EndReason::Cancelled { by } => format!("Cancelled by {} before it opened.", by.name),
        EndReason::Declined => {
            "Declined: too few custodians were left to reach the quorum.".to_owned()
        }
        EndReason::Expired => {
            let approvals = approvals.unwrap_or_else(|| "too few approvals".to_owned());
            format!("Expired: {approvals} by the deadline.")
        }
        EndReason::ExpiredInQueue => {
            "Expired while queued: the HSM was in use or disconnected.".to_owned()
        }
        EndReason::Abandoned { seconds } => format!(
            "Abandoned: the program that waited had not contacted the server for {}.",
            clock::length(*seconds)
        ),
        EndReason::HsmLost { why } => sentence(&format!("The HSM was lost: {why}")),
        EndReason::Failed { why } => sentence(&format!("Failed: {why}")),
        EndReason::HsmRemoved { why } => {
            sentence(&format!("The HSM was removed from this server: {why}"))
        }
        EndReason::AccessRevoked { why } => sentence(&format!("Access was revoked: {why}")),
        EndReason::ServerRestarted => {
            "Ended by a server restart: a lease does not survive one.".to_owned()
        }
    }
}

/// What was requested, as a title.
pub fn purpose(purpose: &Purpose) -> String {
    match purpose {
        // Large numbers have separators on a page.
        Purpose::Sign {
            keys,
            scope: Scope::Manifest { files },
        } => {
            let files = count(files.files().len() as u64, "file");
            format!("Sign {files} with {}", key_names(keys))
        }
        _ => capitalised(&purpose.in_words(|label, _| quoted(label))),
    }
}

/// "key “firmware”", "keys “boot” and “firmware”".
pub fn key_names(keys: &KeySet) -> String {
    keys.in_words(|label, _| quoted(label))
}

/// The label of a key in curly quotes.
pub(super) fn quoted(label: &str) -> String {
    format!("“{label}”")
}

/// "ECDSA with SHA-256".
pub fn mechanism_name(mechanism: Mechanism) -> &'static str {
    match mechanism {
        Mechanism::EcdsaSha256 => "ECDSA with SHA-256",
        Mechanism::EcdsaSha384 => "ECDSA with SHA-384",
        Mechanism::EcdsaSha512 => "ECDSA with SHA-512",
        Mechanism::RsaPkcs1Sha256 => "RSA PKCS #1 v1.5 with SHA-256",
        Mechanism::RsaPkcs1Sha384 => "RSA PKCS #1 v1.5 with SHA-384",
        Mechanism::RsaPkcs1Sha512 => "RSA PKCS #1 v1.5 with SHA-512",
        Mechanism::RsaPssSha256 => "RSA-PSS with SHA-256",
        Mechanism::RsaPssSha384 => "RSA-PSS with SHA-384",
        Mechanism::RsaPssSha512 => "RSA-PSS with SHA-512",
        Mechanism::RsaRaw => "raw RSA",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use countersign_protocol::{id::OperatorId, operator::Person};

    use super::*;

    #[test]
    fn an_expired_activation_says_how_many_approvals_it_had() {
        let quorum = Quorum {
            required: 2,
            total: 3,
        };
        assert_eq!(
            end_sentence(&EndReason::Expired, Some(approvals(1, quorum))),
            "Expired: 1 of 2 approvals by the deadline."
        );
        assert_eq!(
            end_sentence(&EndReason::Expired, None),
            "Expired: too few approvals by the deadline."
        );
    }

    #[test]
    fn every_end_has_a_sentence_of_its_own() {
        let by = Person {
            id: OperatorId::new("1"),
            name: "Doug".to_owned(),
        };
        let why = || "the card was removed".to_owned();
        let ends = [
            EndReason::Completed,
            EndReason::LeaseExpired,
            EndReason::SignatureLimitReached,
            EndReason::Locked { by: by.clone() },
            EndReason::Cancelled { by },
            EndReason::Declined,
            EndReason::Expired,
            EndReason::ExpiredInQueue,
            EndReason::Abandoned { seconds: 390 },
            EndReason::HsmLost { why: why() },
            EndReason::Failed { why: why() },
            EndReason::HsmRemoved { why: why() },
            EndReason::AccessRevoked { why: why() },
            EndReason::ServerRestarted,
        ];
        let sentences: HashSet<_> = ends.iter().map(|end| end_sentence(end, None)).collect();
        assert_eq!(sentences.len(), ends.len());
        for sentence in sentences {
            assert!(sentence.starts_with(char::is_uppercase), "{sentence}");
            assert!(sentence.ends_with('.'), "{sentence}");
        }
    }

    #[test]
    fn a_reason_of_the_server_becomes_part_of_one_sentence() {
        let why = "the card was removed".to_owned();
        assert_eq!(
            end_sentence(&EndReason::HsmLost { why }, None),
            "The HSM was lost: the card was removed."
        );
    }
}
