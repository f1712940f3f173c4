//! The messages of RAMOverHTTP: GlobalPlatform's Remote Application Management over HTTP, as CardContact's clients
//! implement it.
//!
//! The side that has the card is the HTTP client. It posts an [`Initiation`], and the server responds with a
//! [`Request`], which contains commands for the card. The client executes them and posts an [`Answer`], which the
//! server answers with the next request. The session ends when the server responds with status 204. This crate performs
//! no I/O.

#![warn(missing_docs)]

mod answer;
pub mod http;
mod initiation;
mod integer;
mod request;

use countersign_cvc::tlv::{self, Tag, TlvError};

pub use answer::{Answer, Outcome};
pub use initiation::Initiation;
pub use request::{Instruction, Notification, Request};

/// The tags of the protocol, which all have one byte.
mod tag {
    use countersign_cvc::tlv::Tag;

    pub const INTEGER: Tag = Tag(0x02);
    pub const TEXT: Tag = Tag(0x0C);
    pub const COMMAND: Tag = Tag(0x22);
    pub const RESPONSE: Tag = Tag(0x23);
    pub const COUNT: Tag = Tag(0x80);
    pub const REQUEST: Tag = Tag(0xAA);
    pub const ANSWER: Tag = Tag(0xAB);
    /// In a request: reset the card. In an answer: the card's answer to reset.
    pub const ATR: Tag = Tag(0xC0);
    pub const MAX_COMMAND: Tag = Tag(0xC1);
    pub const MAX_RESPONSE: Tag = Tag(0xC2);
    pub const SECONDS: Tag = Tag(0xC3);
    pub const NOTIFICATION: Tag = Tag(0xE0);
    pub const CLOSING: Tag = Tag(0xE1);
    pub const INITIATION: Tag = Tag(0xE8);
}

/// Why bytes are not a message of this protocol, or a message cannot be encoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// The bytes are not well-formed TLV objects, or a required object is missing.
    #[error(transparent)]
    Tlv(#[from] TlvError),
    /// The message contains an object that is not allowed there.
    #[error("the message contains the unexpected object {0}")]
    Unexpected(Tag),
    /// An integer is empty or too long.
    #[error("the object {0} must be an integer of 1 to 4 bytes")]
    Integer(Tag),
    /// A text is not UTF-8.
    #[error("a text in the message is not UTF-8")]
    Text,
    /// The message is longer than its length field of two bytes can express.
    #[error("the message has {0} bytes, but clients read at most 65535")]
    TooLong(usize),
}

/// A message that the client posts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClientMessage {
    /// The first message of a session.
    Initiation(Initiation),
    /// Every later message.
    Answer(Answer),
}

impl ClientMessage {
    /// Decodes the body of a POST request.
    ///
    /// # Errors
    /// The body is malformed, or contains an object that is not allowed there.
    pub fn parse(body: &[u8]) -> Result<Self, MessageError> {
        let outer = tlv::parse_exact(body)?;
        let objects = tlv::parse_all(outer.value)?;
        match outer.tag {
            tag::INITIATION => Ok(Self::Initiation(Initiation::read(&objects)?)),
            tag::ANSWER => Ok(Self::Answer(Answer::read(&objects)?)),
            other => Err(MessageError::Unexpected(other)),
        }
    }
}

fn message(tag: Tag, content: &[u8]) -> Result<Vec<u8>, MessageError> {
    if content.len() > usize::from(u16::MAX) {
        return Err(MessageError::TooLong(content.len()));
    }
    Ok(tlv::encode(tag, content))
}

fn text(value: &[u8]) -> Result<String, MessageError> {
    String::from_utf8(value.to_vec()).map_err(|_| MessageError::Text)
}
