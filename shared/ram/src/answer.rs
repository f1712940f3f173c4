//! The client's answer to a request.

use countersign_cvc::tlv::{self, Tlv, TlvWriter};

use crate::{MessageError, integer, message, tag, text};

/// The outcomes of the instructions, in the order of the instructions (tag AB). A notification has no outcome.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Answer {
    /// One outcome for each command and reset, up to the first that failed.
    pub outcomes: Vec<Outcome>,
    /// The number of commands that the client reports as executed. Clients differ in whether they count commands that
    /// failed, so only the outcomes are reliable.
    pub executed: u32,
}

/// The outcome of one instruction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The response APDU: data and two status bytes (tag 23).
    Response(Vec<u8>),
    /// The card's answer to the reset (tag C0).
    Atr(Vec<u8>),
    /// The reason why the client could not reach the card, or why the person at the card stopped the session. The
    /// client did not follow any later instruction (tag E1).
    Failed(String),
}

impl Answer {
    pub(crate) fn read(objects: &[Tlv<'_>]) -> Result<Self, MessageError> {
        let mut answer = Self::default();
        for object in objects {
            match object.tag {
                tag::RESPONSE => answer
                    .outcomes
                    .push(Outcome::Response(object.value.to_vec())),
                tag::ATR => answer.outcomes.push(Outcome::Atr(object.value.to_vec())),
                tag::CLOSING => {
                    let inner = tlv::parse_all(object.value)?;
                    let why = text(tlv::expect(&inner, tag::TEXT)?.value)?;
                    answer.outcomes.push(Outcome::Failed(why));
                }
                tag::COUNT => answer.executed = integer::unsigned(object)?,
                other => return Err(MessageError::Unexpected(other)),
            }
        }
        tlv::expect(objects, tag::COUNT)?;
        Ok(answer)
    }

    /// Encodes the body of the POST request.
    ///
    /// # Errors
    /// The message is longer than 65,535 bytes.
    pub fn encode(&self) -> Result<Vec<u8>, MessageError> {
        let mut content = TlvWriter::new();
        for outcome in &self.outcomes {
            content = match outcome {
                Outcome::Response(response) => content.with(tag::RESPONSE, response),
                Outcome::Atr(atr) => content.with(tag::ATR, atr),
                Outcome::Failed(why) => {
                    let inner = TlvWriter::new().with(tag::TEXT, why.as_bytes());
                    content.with(tag::CLOSING, &inner.finish())
                }
            };
        }
        let content = content.with(tag::COUNT, &integer::encode_count(self.executed));
        message(tag::ANSWER, &content.finish())
    }
}
