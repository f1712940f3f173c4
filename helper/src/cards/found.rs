//! A card and a key as they were seen; used to find them again after the user was asked.

use countersign_protocol::{
    cvc::{
        AuthenticatedRequest, Fingerprint, PkaFile, PublicKey, VerifiedDevice,
        attestation::check_custodian_key,
    },
    helper::{CardKeyView, CardView, HelperError, PinState},
};

use crate::{advice, consent::Signer};

/// A verified card in a reader.
#[derive(Clone, Debug)]
pub struct FoundCard {
    /// Which of the desk's sources.
    pub(super) source: usize,
    /// In which reader.
    pub(super) reader: String,
    /// The card.
    pub device: VerifiedDevice,
    /// Its label.
    pub label: String,
    /// Firmware version.
    pub version: Option<String>,
    /// Its PIN.
    pub pin: PinState,
    /// Its keys.
    pub(super) keys: Vec<SeenKey>,
}

/// A key as it was seen.
#[derive(Clone, Debug)]
pub(super) struct SeenKey {
    pub(super) view: CardKeyView,
    pub(super) public_key: PublicKey,
    pub(super) request: Option<AuthenticatedRequest>,
}

/// A key on a card.
#[derive(Clone, Debug)]
pub struct FoundKey {
    /// The card.
    pub card: FoundCard,
    key: SeenKey,
}

impl FoundCard {
    /// One of its keys.
    pub(crate) fn key(&self, fingerprint: &Fingerprint) -> Result<FoundKey, HelperError> {
        let key = self
            .keys
            .iter()
            .find(|key| key.view.fingerprint == *fingerprint);
        let key = key.ok_or_else(|| advice::key_missing(fingerprint))?.clone();
        Ok(FoundKey {
            card: self.clone(),
            key,
        })
    }

    /// Keys that an HSM can register, and what vouches for them.
    pub(crate) fn attested_keys(&self) -> impl Iterator<Item = (CardKeyView, PkaFile)> {
        self.keys.iter().filter_map(|key| {
            let request = key.request.clone()?;
            let file = PkaFile {
                request,
                chain: self.device.chain().clone(),
            };
            key.view
                .unsuitable
                .is_none()
                .then(|| (key.view.clone(), file))
        })
    }

    /// As pages see it.
    pub(super) fn view(&self) -> CardView {
        CardView {
            device: self.device.id().clone(),
            label: self.label.clone(),
            anchor: self.device.anchor().to_owned(),
            version: self.version.clone(),
            pin: self.pin,
            keys: self.keys.iter().map(|key| key.view.clone()).collect(),
        }
    }
}

impl FoundKey {
    /// Whether the key makes signatures as public key authentication needs them.
    pub(crate) fn check_suitable(&self) -> Result<(), HelperError> {
        check_custodian_key(&self.key.public_key).map_err(advice::card_refused)
    }

    /// As consents name it.
    pub(crate) fn signer(&self) -> Signer {
        Signer {
            card: self.card.device.id().clone(),
            label: self.card.label.clone(),
            key: self.key.view.fingerprint,
            chr: self.key.view.chr.clone(),
        }
    }
}
