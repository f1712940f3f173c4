//! Opening of the secure channel (chip authentication, BSI TR-03110).

use countersign_cvc::{
    EcSecretKey, PublicKey, VerifiedDevice,
    tlv::{Tag, encode},
};
use zeroize::Zeroizing;

use super::SmartCardHsm;
use crate::{
    apdu::{Command, Le, Response, StatusWord},
    error::CardError,
    secure_messaging::{CA_ECDH_AES_128, establish, general_authenticate},
};

impl SmartCardHsm {
    /// Opens a secure channel to exactly this device, because only the holder of the device key can complete the key
    /// agreement. From then on every command is protected. If the channel breaks, commands fail until
    /// [`SmartCardHsm::logout`] or until a new channel is opened.
    ///
    /// # Errors
    /// [`CardError::SecureChannelUnsupported`] if the card does not support it; [`CardError::ChipAuthenticationFailed`] if the
    /// card does not have the key of `device`.
    pub fn open_secure_channel(&mut self, device: &VerifiedDevice) -> Result<(), CardError> {
        let PublicKey::Ec(device_key) = device.public_key() else {
            return Err(CardError::ChipAuthenticationFailed);
        };
        let ephemeral = ephemeral_key(device_key.curve())?;
        self.channel = None;
        self.channel_required = false;
        let protocol = encode(Tag(0x80), &CA_ECDH_AES_128);
        let set = Command::new(0x00, 0x22, 0x41, 0xA4).with_data(protocol);
        match self.send_plain(&set)?.sw {
            StatusWord::OK => {}
            sw => return Err(CardError::SecureChannelUnsupported(sw)),
        }
        let authenticate = Command::new(0x00, 0x86, 0x00, 0x00)
            .with_data(general_authenticate(ephemeral.ec_public_key()))
            .with_le(Le::Short);
        match self.send_plain(&authenticate)? {
            Response {
                data,
                sw: StatusWord::OK,
            } => {
                let channel = establish(&ephemeral, device_key, &data)
                    .map_err(|_| CardError::ChipAuthenticationFailed)?;
                self.channel = Some(channel);
                self.probe_channel()
            }
            Response { sw, .. } => Err(CardError::SecureChannelUnsupported(sw)),
        }
    }

    /// Sends a first protected command, because some cards complete the key agreement but do not support secure messaging.
    fn probe_channel(&mut self) -> Result<(), CardError> {
        let status = Command::new(0x00, 0x20, 0x00, 0x81).with_le(Le::Short);
        let Some(channel) = &mut self.channel else {
            return Err(CardError::ChannelLost);
        };
        let protected = channel.protect_command(&status);
        let answer = self.send_plain(&protected)?;
        if matches!(
            answer.sw,
            StatusWord::UNKNOWN_CLASS | StatusWord::SM_UNSUPPORTED
        ) {
            self.channel = None;
            return Err(CardError::SecureChannelUnsupported(answer.sw));
        }
        self.channel_required = true;
        self.open_response(&answer)?;
        Ok(())
    }
}

fn ephemeral_key(curve: countersign_cvc::Curve) -> Result<EcSecretKey, CardError> {
    let mut scalar = Zeroizing::new(vec![0; curve.field_len()]);
    loop {
        getrandom::fill(&mut scalar).map_err(|error| CardError::Random(error.to_string()))?;
        match EcSecretKey::from_bytes(curve, &scalar) {
            Ok(key) => return Ok(key),
            // The number is not less than the order of the curve, so another one is drawn.
            Err(countersign_cvc::KeyError::BadScalar(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
