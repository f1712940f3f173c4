//! Generating a key that is exported.

use countersign_protocol::cvc::{Chr, DeviceId};

use super::Explained;
use crate::prompt::ConsentText;

/// A new key to be consented to.
#[derive(Clone, Debug)]
pub struct NewKeyRequest {
    /// On which card.
    pub card: DeviceId,
    /// The card's label.
    pub card_label: String,
    /// The key's label.
    pub label: String,
    /// Its name.
    pub chr: Chr,
}

impl Explained for NewKeyRequest {
    fn text(&self) -> ConsentText {
        let card = format!("\"{}\" ({})", self.card_label, self.card.serial());
        ConsentText::new("Countersign: generate a key?", "Generate")
            .fact("Card", &card)
            .fact(
                "Key",
                &format!("{} \"{}\" (brainpoolP256r1)", self.chr, self.label),
            )
    }
}
