//! What the server wants to be done.

use countersign_cvc::tlv::{self, Tlv, TlvWriter};

use crate::{MessageError, integer, message, tag, text};

/// Instructions, to be followed in their order (tag AA). Empty: nothing to do for now, ask again.
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
    /// Reset the card; whatever it knew of logins is gone (tag C0).
    Reset,
    /// Tell the person at the card (tag E0).
    Notify(Notification),
    /// The server closes, for this reason (tag E1). Some clients do not know it: servers send a negative
    /// [`Notification`] instead.
    Close(String),
}

/// News for the person at the card.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notification {
    /// 0: done; above: under way; below: an error, and the session is over.
    pub id: i32,
    /// For people.
    pub text: String,
    /// How long it will take, in seconds.
    pub seconds: Option<u32>,
}

impl Request {
    /// Reads the server's answer.
    ///
    /// # Errors
    /// [`MessageError`]; unknown instructions are refused, since leaving one out could change what the others do.
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

    /// The server's answer.
    ///
    /// # Errors
    /// [`MessageError::TooLong`].
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
