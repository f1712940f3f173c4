//! A connected genuine card. Only the child module [`signing`] can make it sign.

mod signing;

use countersign_card::{CardError, KeyInfo, Locality, PinKind, PinStatus, SmartCardHsm, Transport};
use countersign_protocol::{
    cvc::{TrustAnchors, VerifiedDevice, attestation::check_custodian_key},
    helper::{CardKeyView, HelperError, PinState},
};

pub use signing::PinSession;

use super::found::{CardKey, FoundCard};
use crate::advice;

/// A card whose device certificate was verified. If the card supports it, a secure channel is open.
pub(super) struct Card {
    driver: SmartCardHsm,
    device: VerifiedDevice,
    keys: Vec<KeyInfo>,
}

impl Card {
    /// Selects the application, verifies the device's chain and opens the secure channel to exactly this device.
    pub(super) fn open(
        transport: Box<dyn Transport>,
        anchors: &TrustAnchors,
    ) -> Result<Self, HelperError> {
        let mut driver = SmartCardHsm::open(transport).map_err(card_error)?;
        let chain = driver.device_chain().map_err(card_error)?;
        let device = chain
            .verify(anchors)
            .map_err(|why| card_error(why.into()))?;
        match driver.open_secure_channel(&device) {
            Ok(()) => {}
            Err(error @ CardError::SecureChannelUnsupported(_))
                if driver.locality() == Locality::Local =>
            {
                tracing::info!(
                    device = %device.id(),
                    "secure channel unavailable, continued in plaintext (local reader): {error}"
                );
            }
            Err(error) => return Err(card_error(error)),
        }
        Ok(Self {
            driver,
            device,
            keys: Vec::new(),
        })
    }

    /// Reads everything that can be read without a PIN.
    pub(super) fn describe(
        &mut self,
        source: usize,
        reader: &str,
    ) -> Result<FoundCard, HelperError> {
        let label = self
            .driver
            .token_info()
            .map_err(card_error)?
            .label
            .unwrap_or_default();
        let pin = pin_state(self.driver.pin_status(PinKind::User).map_err(card_error)?)?;
        self.keys = self.driver.list_keys().map_err(card_error)?;
        Ok(FoundCard {
            source,
            reader: reader.to_owned(),
            device: self.device.clone(),
            label: if label.is_empty() {
                "SmartCard-HSM".to_owned()
            } else {
                label
            },
            version: self.driver.info().version_text(),
            pin,
            keys: self.keys.iter().filter_map(card_key).collect(),
        })
    }
}

fn pin_state(status: PinStatus) -> Result<PinState, HelperError> {
    match status {
        PinStatus::NotVerified { tries } => Ok(PinState::Ready { tries: Some(tries) }),
        PinStatus::Verified => Ok(PinState::Ready { tries: None }),
        PinStatus::Blocked => Ok(PinState::Blocked),
        PinStatus::NotSet => Ok(PinState::NotSet),
        PinStatus::Transport => Ok(PinState::Transport),
        PinStatus::PkaActive => Err(advice::card_refused(
            "This device is a signing HSM, which opens with custodians' approvals and not with a PIN. Insert your own card.",
        )),
    }
}

fn card_key(info: &KeyInfo) -> Option<CardKey> {
    // A key is identified by its public key.
    let public_key = info.public_key.clone()?;
    let unsuitable = match check_custodian_key(&public_key) {
        Err(why) => Some(why.to_string()),
        Ok(()) if info.uses_left == Some(0) => Some("its use counter is exhausted".to_owned()),
        Ok(()) if info.request.is_none() => Some(
            "the card no longer holds its attestation, so it can sign but cannot be enrolled"
                .to_owned(),
        ),
        Ok(()) => None,
    };
    let view = CardKeyView {
        fingerprint: public_key.fingerprint(),
        label: info.label.clone(),
        chr: info.request.as_ref().map(|request| request.chr().clone()),
        kind: public_key.kind(),
        unsuitable,
    };
    Some(CardKey {
        view,
        public_key,
        request: info.request.clone(),
    })
}

/// Turns a card's error into advice for the user.
pub(super) fn card_error(error: CardError) -> HelperError {
    match error {
        CardError::WrongPin { tries_left } => advice::pin_wrong(Some(tries_left)),
        CardError::PinBlocked => advice::pin_blocked(),
        CardError::NoSuchKey => advice::card_changed(),
        error if error.is_connection_lost() => advice::card_lost(&error),
        error => advice::card_refused(error),
    }
}
