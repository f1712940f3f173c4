//! RAMOverHTTP, after GlobalPlatform's Remote Application Management over HTTP and as CardContact's clients speak it.
//!
//! Whoever has the card is the HTTP client. It posts an [`Initiation`]; the server answers with a [`Request`] full of commands for
//! the card; the client executes them and posts an [`Answer`]; and so on, until the server answers 204. No I/O in here.

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

/// Tags of one byte.
mod tag {
    use countersign_cvc::tlv::Tag;

    pub const INTEGER: Tag = Tag(0x02);
    pub const TEXT: Tag = Tag(0x0C);
    pub const COMMAND: Tag = Tag(0x22);
    pub const RESPONSE: Tag = Tag(0x23);
    pub const COUNT: Tag = Tag(0x80);
    pub const REQUEST: Tag = Tag(0xAA);
    pub const ANSWER: Tag = Tag(0xAB);
    /// From the server: reset the card. From the client: its answer to reset.
    pub const ATR: Tag = Tag(0xC0);
    pub const MAX_COMMAND: Tag = Tag(0xC1);
    pub const MAX_RESPONSE: Tag = Tag(0xC2);
    pub const SECONDS: Tag = Tag(0xC3);
    pub const NOTIFICATION: Tag = Tag(0xE0);
    pub const CLOSING: Tag = Tag(0xE1);
    pub const INITIATION: Tag = Tag(0xE8);
}

/// Why bytes are no message of this protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// No TLV.
    #[error(transparent)]
    Tlv(#[from] TlvError),
    /// An object where it does not belong.
    #[error("the object {0} is not expected here")]
    Unexpected(Tag),
    /// An integer that is empty, too long or out of range.
    #[error("the object {0} is no integer of a usable size")]
    Integer(Tag),
    /// Text that is not UTF-8.
    #[error("a text is not UTF-8")]
    Text,
    /// More than a length of two bytes can say.
    #[error("a message of {0} bytes is too long: 65,535 is the most that clients read")]
    TooLong(usize),
}

/// What a client posts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClientMessage {
    /// The first one.
    Initiation(Initiation),
    /// Every later one.
    Answer(Answer),
}

impl ClientMessage {
    /// Reads the body of a POST.
    ///
    /// # Errors
    /// [`MessageError`].
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
