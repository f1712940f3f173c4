//! Commands of public key authentication.

use countersign_cvc::{
    Certificate, Chr, EcSignature, PkaFile,
    tlv::{Tag, encode},
};

use super::SmartCardHsm;
use crate::{
    apdu::{Command, Le, StatusWord},
    error::CardError,
    pka::{Challenge, PkaStatus, QUORUM_STATUS},
};

/// Instruction of MANAGE PUBLIC KEY AUTHENTICATION.
const MANAGE: u8 = 0x54;
const REGISTER: u8 = 0x00;
const REPLACE: u8 = 0x01;
const CHALLENGE: &str = "generation of a challenge";
const HOLDER_REFERENCE: Tag = Tag(0x83);
/// Template of MANAGE SECURITY ENVIRONMENT for the key that verifies certificates.
const CERTIFICATE_KEY: u8 = 0xB6;
/// Template of MANAGE SECURITY ENVIRONMENT for the key that authenticates.
const AUTHENTICATION_KEY: u8 = 0xA4;

impl SmartCardHsm {
    /// Reads how many keys are registered, required and authenticated; `None` if public key authentication is not set up.
    ///
    /// # Errors
    /// The connection to the card is lost, or the answer is malformed.
    pub fn pka_status(&mut self) -> Result<Option<PkaStatus>, CardError> {
        let response = self.send(&Command::new(0x80, MANAGE, 0x00, 0x00).with_le(Le::Short))?;
        match response.sw {
            StatusWord::OK => Ok(Some(PkaStatus::parse(&response.data)?)),
            StatusWord::UNKNOWN_INSTRUCTION
            | StatusWord::WRONG_P1P2
            | StatusWord::UNKNOWN_CLASS => Ok(None),
            sw => Err(CardError::Refused {
                what: QUORUM_STATUS,
                sw,
            }),
        }
    }

    /// Registers a custodian's key. Callers must verify the attestation before, because some cards do not.
    ///
    /// # Errors
    /// [`CardError::RegistrationRefused`] with the reason; [`CardError::PkaNotConfigured`] if the device has no quorum;
    /// [`CardError::NotAuthenticated`] if the device requires a login.
    pub fn register_custodian(&mut self, file: &PkaFile) -> Result<PkaStatus, CardError> {
        self.store_custodian(file, REGISTER, 0)
    }

    /// Replaces the registered key in a slot. The device must have been initialised with
    /// [`super::option_bits::REPLACE_PKA_KEYS`].
    ///
    /// # Errors
    /// As [`SmartCardHsm::register_custodian`].
    pub fn replace_custodian(&mut self, slot: u8, file: &PkaFile) -> Result<PkaStatus, CardError> {
        self.store_custodian(file, REPLACE, slot)
    }

    fn store_custodian(
        &mut self,
        file: &PkaFile,
        operation: u8,
        slot: u8,
    ) -> Result<PkaStatus, CardError> {
        for certificate in [&file.chain.issuer, &file.chain.device] {
            self.present_certificate(certificate)?;
        }
        // A card that verifies the chain knows the device's key now. Other cards do not, so the status is ignored.
        self.select_key(CERTIFICATE_KEY, file.request.outer_car())?;
        let command = Command::new(0x80, MANAGE, operation, slot);
        let data = file.request.content();
        let command = if data.len() > self.max_command_data() {
            self.fill_transfer_buffer(data)?;
            command.with_le(Le::Short)
        } else {
            command.with_data(data).with_le(Le::Extended)
        };
        let response = self.send(&command)?;
        match response.sw {
            StatusWord::OK => PkaStatus::parse(&response.data),
            sw @ StatusWord::NOT_AUTHENTICATED => Err(CardError::NotAuthenticated(sw)),
            StatusWord::CONDITIONS => Err(CardError::RegistrationRefused(
                "this key or another key with its name is already registered, its signature is wrong, or keys cannot be replaced",
            )),
            StatusWord::NO_SPACE => Err(CardError::RegistrationRefused(
                "the device already has all keys of its quorum",
            )),
            StatusWord::WRONG_DATA => Err(CardError::RegistrationRefused(
                "the key is not a 256-bit EC key, or its request is malformed",
            )),
            StatusWord::REFERENCE_NOT_FOUND => Err(CardError::RegistrationRefused(
                "the device does not know the issuer of the custodian's card",
            )),
            StatusWord::UNKNOWN_INSTRUCTION | StatusWord::FILE_NOT_FOUND => {
                Err(CardError::PkaNotConfigured)
            }
            sw => Err(CardError::Refused {
                what: "registration of a key",
                sw,
            }),
        }
    }

    /// Lets the card verify a certificate, unless it already knows the holder.
    fn present_certificate(&mut self, certificate: &Certificate) -> Result<(), CardError> {
        if self.select_key(CERTIFICATE_KEY, certificate.chr())?.is_ok() {
            return Ok(());
        }
        if !self.select_key(CERTIFICATE_KEY, certificate.car())?.is_ok() {
            return Err(CardError::RegistrationRefused(
                "this device does not trust the root that certifies the custodian's card",
            ));
        }
        let verify = Command::new(0x00, 0x2A, 0x00, 0xBE).with_data(certificate.content());
        match self.send(&verify)?.sw {
            StatusWord::OK => Ok(()),
            sw => Err(CardError::Refused {
                what: "verification of the certificate of the custodian's card",
                sw,
            }),
        }
    }

    fn select_key(&mut self, template: u8, name: &Chr) -> Result<StatusWord, CardError> {
        let command = Command::new(0x00, 0x22, 0x81, template)
            .with_data(encode(HOLDER_REFERENCE, name.as_bytes()));
        Ok(self.send(&command)?.sw)
    }

    /// Reads the name of the key in a slot, and whether it has authenticated; `None` if the slot is empty or the card does not
    /// report it.
    ///
    /// # Errors
    /// The connection to the card is lost, or the name is malformed.
    pub fn custodian_slot(&mut self, slot: u8) -> Result<Option<(Chr, bool)>, CardError> {
        let response = self.send(&Command::new(0x80, MANAGE, 0x02, slot).with_le(Le::Short))?;
        match response.sw {
            StatusWord::OK | StatusWord::SLOT_AUTHENTICATED => {
                let name = Chr::from_card_bytes(&response.data)
                    .map_err(|error| CardError::malformed("status of a custodian's key", error))?;
                Ok(Some((name, response.sw == StatusWord::SLOT_AUTHENTICATED)))
            }
            _ => Ok(None),
        }
    }

    /// Fetches a new challenge of 8 bytes. On some cards this discards the authentications so far.
    ///
    /// # Errors
    /// The connection to the card is lost, or the card refuses the command.
    pub fn get_challenge(&mut self) -> Result<Challenge, CardError> {
        let command = Command::new(0x00, 0x84, 0x00, 0x00).with_le(Le::Exactly(8));
        let data = self.send_checked(CHALLENGE, &command)?;
        Challenge::new(&data).map_err(|error| CardError::malformed(CHALLENGE, error))
    }

    /// Presents a custodian's response. Returns the status words of the key's selection and of the authentication, because
    /// cards differ in them.
    ///
    /// # Errors
    /// The connection to the card is lost.
    pub fn external_authenticate(
        &mut self,
        name: &Chr,
        response: &EcSignature,
    ) -> Result<(StatusWord, StatusWord), CardError> {
        let selected = self.select_key(AUTHENTICATION_KEY, name)?;
        let command = Command::new(0x00, 0x82, 0x00, 0x00).with_data(response.to_plain());
        Ok((selected, self.send(&command)?.sw))
    }
}
