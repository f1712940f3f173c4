//! Commands of public key authentication.

use countersign_cvc::{
    Certificate, Chr, EcSignature, PkaFile,
    tlv::{Tag, encode},
};

use super::SmartCardHsm;
use crate::{
    apdu::{Command, Le, StatusWord},
    error::CardError,
    pka::{Challenge, PkaStatus},
};

/// MANAGE PUBLIC KEY AUTHENTICATION.
const MANAGE: u8 = 0x54;
const REGISTER: u8 = 0x00;
const REPLACE: u8 = 0x01;
const HOLDER_REFERENCE: Tag = Tag(0x83);
/// MANAGE SECURITY ENVIRONMENT: the key that verifies certificates.
const CERTIFICATE_KEY: u8 = 0xB6;
/// MANAGE SECURITY ENVIRONMENT: the key that authenticates.
const AUTHENTICATION_KEY: u8 = 0xA4;

impl SmartCardHsm {
    /// Registered, missing, needed and authenticated keys; `None`: public key authentication is not set up.
    ///
    /// # Errors
    /// The card's.
    pub fn pka_status(&mut self) -> Result<Option<PkaStatus>, CardError> {
        let response = self.send(&Command::new(0x80, MANAGE, 0x00, 0x00).with_le(Le::Short))?;
        match response.sw {
            StatusWord::OK => Ok(Some(PkaStatus::parse(&response.data)?)),
            StatusWord::UNKNOWN_INSTRUCTION
            | StatusWord::WRONG_P1P2
            | StatusWord::UNKNOWN_CLASS => Ok(None),
            sw => Err(CardError::Refused {
                what: "tell its quorum",
                sw,
            }),
        }
    }

    /// Registers a custodian's key. The card verifies the chain itself; verify it before, too.
    ///
    /// # Errors
    /// [`CardError::RegistrationRefused`] with the reason, or the card's.
    pub fn register_custodian(&mut self, file: &PkaFile) -> Result<PkaStatus, CardError> {
        self.enter_custodian(file, REGISTER, 0)
    }

    /// Puts a custodian's key in the place of another, if the device was initialised to allow that.
    ///
    /// # Errors
    /// As [`SmartCardHsm::register_custodian`].
    pub fn replace_custodian(&mut self, slot: u8, file: &PkaFile) -> Result<PkaStatus, CardError> {
        self.enter_custodian(file, REPLACE, slot)
    }

    fn enter_custodian(
        &mut self,
        file: &PkaFile,
        operation: u8,
        slot: u8,
    ) -> Result<PkaStatus, CardError> {
        for certificate in [&file.chain.issuer, &file.chain.device] {
            self.present_certificate(certificate)?;
        }
        // Cards that check no chain know no such key; those that do have it now.
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
                "this key, or one of the same name, is registered already, or its signature is wrong, or replacing is not allowed",
            )),
            StatusWord::NO_SPACE => Err(CardError::RegistrationRefused("all places are taken")),
            StatusWord::WRONG_DATA => Err(CardError::RegistrationRefused(
                "the key is not EC, or the request is malformed",
            )),
            StatusWord::REFERENCE_NOT_FOUND => Err(CardError::RegistrationRefused(
                "the device does not know the issuer of the custodian's card",
            )),
            StatusWord::UNKNOWN_INSTRUCTION | StatusWord::FILE_NOT_FOUND => {
                Err(CardError::PkaNotConfigured)
            }
            sw => Err(CardError::Refused {
                what: "register a key",
                sw,
            }),
        }
    }

    /// Lets the card verify a certificate, unless it knows it already.
    fn present_certificate(&mut self, certificate: &Certificate) -> Result<(), CardError> {
        if self.select_key(CERTIFICATE_KEY, certificate.chr())?.is_ok() {
            return Ok(());
        }
        if !self.select_key(CERTIFICATE_KEY, certificate.car())?.is_ok() {
            return Err(CardError::RegistrationRefused(
                "the custodian's card is of another manufacturer's hierarchy than this device",
            ));
        }
        let verify = Command::new(0x00, 0x2A, 0x00, 0xBE).with_data(certificate.content());
        match self.send(&verify)?.sw {
            StatusWord::OK => Ok(()),
            sw => Err(CardError::Refused {
                what: "verify the certificate of the custodian's card",
                sw,
            }),
        }
    }

    fn select_key(&mut self, template: u8, name: &Chr) -> Result<StatusWord, CardError> {
        let command = Command::new(0x00, 0x22, 0x81, template)
            .with_data(encode(HOLDER_REFERENCE, name.as_bytes()));
        Ok(self.send(&command)?.sw)
    }

    /// Name of the key in a slot, and whether it has authenticated; not all cards tell.
    ///
    /// # Errors
    /// The card's.
    pub fn custodian_slot(&mut self, slot: u8) -> Result<Option<(Chr, bool)>, CardError> {
        let response = self.send(&Command::new(0x80, MANAGE, 0x02, slot).with_le(Le::Short))?;
        match response.sw {
            StatusWord::OK | StatusWord::SLOT_AUTHENTICATED => {
                let name = Chr::from_card_bytes(&response.data)
                    .map_err(|error| CardError::malformed("name a custodian", error))?;
                Ok(Some((name, response.sw == StatusWord::SLOT_AUTHENTICATED)))
            }
            _ => Ok(None),
        }
    }

    /// Fetches a fresh challenge. On some cards this forgets who has authenticated.
    ///
    /// # Errors
    /// The card's.
    pub fn get_challenge(&mut self) -> Result<Challenge, CardError> {
        let command = Command::new(0x00, 0x84, 0x00, 0x00).with_le(Le::Exactly(8));
        let data = self.demand("give a challenge", &command)?;
        Challenge::new(&data).map_err(|error| CardError::malformed("give a challenge", error))
    }

    /// Presents a custodian's response; returns the two status words as they are, since cards differ.
    ///
    /// # Errors
    /// The transport's.
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
