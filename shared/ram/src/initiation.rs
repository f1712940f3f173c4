//! The first message, with which a client announces a card.

use countersign_cvc::tlv::{self, Tlv, TlvWriter};

use crate::{MessageError, integer, message, tag};

/// The announcement of a client that has a card and waits for instructions (tag E8).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Initiation {
    /// The card's answer to reset.
    pub atr: Vec<u8>,
    /// The length in bytes of the longest command APDU, if the client knows it.
    pub max_command: Option<u32>,
    /// The length in bytes of the longest response APDU, if the client knows it.
    pub max_response: Option<u32>,
}

impl Initiation {
    pub(crate) fn read(objects: &[Tlv<'_>]) -> Result<Self, MessageError> {
        let size = |tag| {
            tlv::find(objects, tag)
                .map(|object| integer::unsigned(&object))
                .transpose()
        };
        Ok(Self {
            atr: tlv::expect(objects, tag::ATR)?.value.to_vec(),
            max_command: size(tag::MAX_COMMAND)?,
            max_response: size(tag::MAX_RESPONSE)?,
        })
    }

    /// Encodes the body of the POST request.
    ///
    /// # Errors
    /// The message is longer than 65,535 bytes.
    pub fn encode(&self) -> Result<Vec<u8>, MessageError> {
        let size = |value: Option<u32>| value.map(integer::encode_count);
        let content = TlvWriter::new()
            .with(tag::ATR, &self.atr)
            .with_some(tag::MAX_COMMAND, size(self.max_command).as_deref())
            .with_some(tag::MAX_RESPONSE, size(self.max_response).as_deref())
            .finish();
        message(tag::INITIATION, &content)
    }
}
