//! Enrolling a key.

use countersign_protocol::{
    cvc::{Chr, DeviceId},
    id::InvitationId,
    operator::Role,
};

use super::{Explained, Signer, with_server};
use crate::{prompt::ConsentText, task::Server};

/// An enrolment to be consented to.
#[derive(Clone, Debug)]
pub struct EnrolmentRequest {
    /// Where.
    pub server: Server,
    /// The invitation.
    pub invitation: InvitationId,
    /// The person who was invited.
    pub person: String,
    /// Roles offered.
    pub roles: Vec<Role>,
    /// The server's nonce.
    pub nonce: String,
    /// On which card.
    pub card: DeviceId,
    /// The card's label.
    pub card_label: String,
    /// Which key.
    pub key: KeyChoice,
}

/// The key that is enrolled.
#[derive(Clone, Debug)]
pub enum KeyChoice {
    /// One that is on the card.
    Existing(Signer),
    /// A new one.
    Generate {
        /// Its label.
        label: String,
        /// Its name.
        chr: Chr,
    },
}

impl Explained for EnrolmentRequest {
    fn text(&self) -> ConsentText {
        let roles: Vec<_> = self.roles.iter().map(|role| role.as_str()).collect();
        let key = match &self.key {
            KeyChoice::Existing(signer) => {
                format!("{}, fingerprint {}", signer, signer.key.words().join(" "))
            }
            KeyChoice::Generate { label, chr } => format!(
                "a new key {chr} \"{label}\" (brainpoolP256r1), generated on card \"{}\" ({})",
                self.card_label,
                self.card.serial()
            ),
        };
        with_server(
            ConsentText::new("Countersign: enrol your key?", "Enrol"),
            &self.server,
        )
        .fact("Person", &self.person)
        .fact("Roles", &roles.join(", "))
        .fact("Invitation", self.invitation.as_str())
        .fact("Key", &key)
    }
}
