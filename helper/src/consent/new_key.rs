//! The consent to generating a key for export.

use countersign_protocol::cvc::{Chr, DeviceId};

use super::ConsentSubject;
use crate::prompt::ConsentText;

/// A new key that needs consent.
#[derive(Clone, Debug)]
pub struct NewKeyRequest {
    pub card: DeviceId,
    pub card_label: String,
    /// The key's label.
    pub label: String,
    /// The key ID.
    pub chr: Chr,
}

impl ConsentSubject for NewKeyRequest {
    fn text(&self) -> ConsentText {
        let card = format!("\"{}\", serial {}", self.card_label, self.card.serial());
        ConsentText::new("Countersign: generate key", "Generate key")
            .fact("Your card", &card)
            .fact(
                "Key",
                &format!("{} \"{}\" (brainpoolP256r1)", self.chr, self.label),
            )
    }
}
