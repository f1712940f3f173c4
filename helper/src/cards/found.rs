//! A card and a key as they were found, so that the same ones can be used after the prompts.

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
    /// The index of its source in [`super::CardReaders`].
    pub(super) source: usize,
    /// The name of its reader.
    pub(super) reader: String,
    pub device: VerifiedDevice,
    pub label: String,
    /// The firmware version.
    pub version: Option<String>,
    pub pin: PinState,
    pub(super) keys: Vec<CardKey>,
}

/// A key in the key list of a card.
#[derive(Clone, Debug)]
pub(super) struct CardKey {
    pub(super) view: CardKeyView,
    pub(super) public_key: PublicKey,
    pub(super) request: Option<AuthenticatedRequest>,
}

/// A key together with its card.
#[derive(Clone, Debug)]
pub struct FoundKey {
    pub card: FoundCard,
    key: CardKey,
}

impl FoundCard {
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

    /// The keys that an HSM can register, with their attestations.
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

    /// The card in the form that pages receive.
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
    /// Checks that the key can make the signatures of public key authentication.
    pub(crate) fn check_suitable(&self) -> Result<(), HelperError> {
        check_custodian_key(&self.key.public_key).map_err(advice::card_refused)
    }

    pub(crate) fn signer(&self) -> Signer {
        Signer {
            card: self.card.device.id().clone(),
            label: self.card.label.clone(),
            key: self.key.view.fingerprint,
            chr: self.key.view.chr.clone(),
        }
    }
}
