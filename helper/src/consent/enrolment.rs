//! The consent to an enrolment.

use countersign_protocol::{
    cvc::{Chr, DeviceId},
    id::InvitationId,
    operator::Role,
};

use super::{ConsentSubject, Signer, with_server};
use crate::{prompt::ConsentText, task::Server};

/// An enrolment that needs consent.
#[derive(Clone, Debug)]
pub struct EnrolmentRequest {
    pub server: Server,
    pub invitation: InvitationId,
    /// The name of the invited person.
    pub person: String,
    /// The roles that the invitation grants.
    pub roles: Vec<Role>,
    /// The server's nonce.
    pub nonce: String,
    pub card: DeviceId,
    pub card_label: String,
    pub key: KeyChoice,
}

/// The key that is enrolled.
#[derive(Clone, Debug)]
pub enum KeyChoice {
    /// An existing key of the card.
    Existing(Signer),
    /// A new key.
    Generate {
        label: String,
        /// The key ID.
        chr: Chr,
    },
}

impl ConsentSubject for EnrolmentRequest {
    fn text(&self) -> ConsentText {
        let roles: Vec<_> = self.roles.iter().map(|role| role.as_str()).collect();
        let key = match &self.key {
            KeyChoice::Existing(signer) => {
                format!(
                    "existing key {}, fingerprint {}",
                    signer.key_id(),
                    signer.key.words().join(" ")
                )
            }
            KeyChoice::Generate { label, chr } => {
                format!("new key {chr} \"{label}\" (brainpoolP256r1), generated on this card")
            }
        };
        with_server(
            ConsentText::new("Countersign: enrol key", "Enrol"),
            &self.server,
        )
        .fact("Person", &self.person)
        .fact("Roles", &roles.join(", "))
        .fact("Invitation", self.invitation.as_str())
        .fact(
            "Your card",
            &format!("\"{}\", serial {}", self.card_label, self.card.serial()),
        )
        .fact("Key", &key)
    }
}
