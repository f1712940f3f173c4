//! SELECT of the application, which begins a session and ends every login.

use countersign_cvc::tlv::{self, Tag};

use super::SmartCardHsm;
use crate::{
    apdu::{Command, Le, Response, StatusWord},
    error::CardError,
    transport::Transport,
};

/// Application identifier of the SmartCard-HSM.
const AID: [u8; 11] = [
    0xE8, 0x2B, 0x06, 0x01, 0x04, 0x01, 0x81, 0xC3, 0x1F, 0x02, 0x01,
];

/// Data that the application reports when it is selected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ApplicationInfo {
    /// Option word of the initialisation; `None` before version 2.
    pub options: Option<u16>,
    /// Major and minor version of the application.
    pub version: Option<(u8, u8)>,
}

impl ApplicationInfo {
    fn parse(template: &[u8]) -> Self {
        let proprietary = tlv::parse_one(template)
            .ok()
            .and_then(|(outer, _)| tlv::parse_all(outer.value).ok())
            .and_then(|objects| tlv::find(&objects, Tag(0x85)).map(|object| object.value.to_vec()));
        match proprietary.as_deref() {
            Some([high, low, _platform, major, minor]) => Self {
                options: Some(u16::from_be_bytes([*high, *low])),
                version: Some((*major, *minor)),
            },
            Some([major, minor]) => Self {
                options: None,
                version: Some((*major, *minor)),
            },
            _ => Self::default(),
        }
    }

    /// Version as text, such as "3.5".
    pub fn version_text(&self) -> Option<String> {
        self.version
            .map(|(major, minor)| format!("{major}.{minor}"))
    }
}

impl SmartCardHsm {
    /// Selects the application on a card. This ends every earlier login.
    ///
    /// # Errors
    /// [`CardError::NotASmartCardHsm`] if the card does not have the application.
    pub fn open(transport: impl Transport + 'static) -> Result<Self, CardError> {
        let mut card = Self {
            transport: Box::new(transport),
            channel: None,
            channel_required: false,
            info: ApplicationInfo::default(),
        };
        card.select()?;
        Ok(card)
    }

    /// Ends the login with a PIN, all authentications of custodians, the challenge and the secure channel, by selecting the
    /// application again.
    ///
    /// # Errors
    /// The connection to the card is lost, or the application cannot be selected.
    pub fn logout(&mut self) -> Result<(), CardError> {
        self.select()
    }

    /// Resets the card and selects the application again.
    ///
    /// # Errors
    /// The connection to the card is lost, or the application cannot be selected.
    pub fn reset(&mut self) -> Result<(), CardError> {
        self.channel = None;
        self.channel_required = false;
        self.transport.reset()?;
        self.select()
    }

    fn select(&mut self) -> Result<(), CardError> {
        self.channel = None;
        self.channel_required = false;
        let command = Command::new(0x00, 0xA4, 0x04, 0x00)
            .with_data(AID)
            .with_le(Le::Short);
        match self.send_plain(&command)? {
            Response {
                data,
                sw: StatusWord::OK,
            } => {
                self.info = ApplicationInfo::parse(&data);
                Ok(())
            }
            _ => Err(CardError::NotASmartCardHsm),
        }
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn templates_of_old_and_new_cards_are_read() {
        let new = ApplicationInfo::parse(&hex!("6F0A82017885050001000305"));
        assert_eq!(
            new,
            ApplicationInfo {
                options: Some(1),
                version: Some((3, 5))
            }
        );
        let old = ApplicationInfo::parse(&hex!("6F0782017885020102"));
        assert_eq!(
            old,
            ApplicationInfo {
                options: None,
                version: Some((1, 2))
            }
        );
        assert_eq!(ApplicationInfo::parse(&[]), ApplicationInfo::default());
    }
}
