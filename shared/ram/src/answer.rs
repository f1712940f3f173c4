//! What became of a request.

use countersign_cvc::tlv::{self, Tlv, TlvWriter};

use crate::{MessageError, integer, message, tag, text};

/// Outcomes, in the order of the instructions (tag AB). Notifications have none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Answer {
    /// The outcomes.
    pub outcomes: Vec<Outcome>,
    /// How many commands the client says that it executed. Clients differ in whether they count those that failed: the
    /// outcomes tell.
    pub executed: u32,
}

/// What became of one instruction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Response APDU: data and two status bytes (tag 23).
    Response(Vec<u8>),
    /// The card's answer to the reset (tag C0).
    Atr(Vec<u8>),
    /// The card could not be asked, or the person at it has had enough; nothing after this was done (tag E1).
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

    /// The body to post.
    ///
    /// # Errors
    /// [`MessageError::TooLong`].
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
