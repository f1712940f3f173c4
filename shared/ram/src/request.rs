//! The server's requests to a client.

use countersign_cvc::tlv::{self, Tlv, TlvWriter};

use crate::{MessageError, integer, message, tag, text};

/// Instructions, which the client follows in order (tag AA). If there are none, the client answers and thereby polls
/// for the next request.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Request {
    /// The instructions.
    pub instructions: Vec<Instruction>,
}

/// One instruction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Instruction {
    /// Send this command APDU to the card (tag 22).
    Command(Vec<u8>),
    /// Reset the card, which logs it out (tag C0).
    Reset,
    /// Show a message to the person at the card (tag E0).
    Notify(Notification),
    /// The server ends the session for this reason (tag E1). Some clients do not support it, so servers send a negative
    /// [`Notification`] instead.
    Close(String),
}

/// A message for the person at the card.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notification {
    /// The kind of the message: 0 if the work is done, positive while it is in progress, and negative for an error that
    /// ends the session.
    pub id: i32,
    /// The text for the person.
    pub text: String,
    /// The expected duration of the work in seconds.
    pub seconds: Option<u32>,
}

impl Request {
    /// Decodes the body of the server's response.
    ///
    /// # Errors
    /// The body is malformed, or contains an unknown instruction. Such a request is rejected as a whole, because
    /// leaving out one instruction could change the effect of the others.
    pub fn parse(body: &[u8]) -> Result<Self, MessageError> {
        let outer = tlv::parse_exact(body)?;
        if outer.tag != tag::REQUEST {
            return Err(MessageError::Unexpected(outer.tag));
        }
        let instructions = tlv::parse_all(outer.value)?
            .iter()
            .map(Instruction::read)
            .collect::<Result<_, _>>()?;
        Ok(Self { instructions })
    }

    /// Encodes the body of the server's response.
    ///
    /// # Errors
    /// The message is longer than 65,535 bytes.
    pub fn encode(&self) -> Result<Vec<u8>, MessageError> {
        let content = self
            .instructions
            .iter()
            .fold(TlvWriter::new(), |content, instruction| {
                instruction.write(content)
            })
            .finish();
        message(tag::REQUEST, &content)
    }
}

impl Instruction {
    fn read(object: &Tlv<'_>) -> Result<Self, MessageError> {
        match object.tag {
            tag::COMMAND => Ok(Self::Command(object.value.to_vec())),
            tag::ATR if object.value.is_empty() => Ok(Self::Reset),
            tag::NOTIFICATION => {
                let inner = tlv::parse_all(object.value)?;
                Ok(Self::Notify(Notification {
                    id: integer::signed(&tlv::expect(&inner, tag::INTEGER)?)?,
                    text: text(tlv::expect(&inner, tag::TEXT)?.value)?,
                    seconds: tlv::find(&inner, tag::SECONDS)
                        .map(|object| integer::unsigned(&object))
                        .transpose()?,
                }))
            }
            tag::CLOSING => {
                let inner = tlv::parse_all(object.value)?;
                Ok(Self::Close(text(tlv::expect(&inner, tag::TEXT)?.value)?))
            }
            other => Err(MessageError::Unexpected(other)),
        }
    }

    fn write(&self, content: TlvWriter) -> TlvWriter {
        match self {
            Self::Command(command) => content.with(tag::COMMAND, command),
            Self::Reset => content.with(tag::ATR, &[]),
            Self::Notify(Notification { id, text, seconds }) => {
                let seconds = seconds.map(integer::encode_count);
                let inner = TlvWriter::new()
                    .with(tag::INTEGER, &integer::encode(*id))
                    .with(tag::TEXT, text.as_bytes())
                    .with_some(tag::SECONDS, seconds.as_deref());
                content.with(tag::NOTIFICATION, &inner.finish())
            }
            Self::Close(text) => {
                let inner = TlvWriter::new().with(tag::TEXT, text.as_bytes());
                content.with(tag::CLOSING, &inner.finish())
            }
        }
    }
}
