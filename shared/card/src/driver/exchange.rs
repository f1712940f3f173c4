//! Exchange of one command with the card, with a limit for everything that the card sends back.
//!
//! Until a device has proven its identity, its responses can come from anybody. A response has at most the length that the command
//! asks for, and a response in several parts has a limit for the number of parts and for all of them together.

use super::SmartCardHsm;
use crate::{
    apdu::{Command, Le, Response},
    error::CardError,
    secure_messaging::is_protected,
};

/// Status bytes of every response.
const STATUS: usize = 2;
/// Most bytes of response data to a command that does not say how many it expects. Some cards send data nevertheless.
const UNSPECIFIED: usize = 256;
/// Most bytes that secure messaging adds to a response: padding, lengths, status and checksum.
const PROTECTION: usize = 64;
/// Most parts of one response. At 256 bytes each, 65,536 bytes have this many.
const MAX_PARTS: usize = 256;
const COMMAND: &str = "response to a command";

impl SmartCardHsm {
    /// Sends a command without protecting it, and reads all parts of its response.
    pub(super) fn send_plain(&mut self, command: &Command) -> Result<Response, CardError> {
        let limit = max_response_data(command);
        let mut response = self.exchange(&command.encode(), limit)?;
        // 6Cxx gives the right length, and 61xx announces more response data. Both are unusual over T=1.
        if response.sw.0 & 0xFF00 == 0x6C00
            && let Some(repetition) = with_le_of(command, low_byte(&response))
        {
            response = self.exchange(&repetition.encode(), limit)?;
        }
        self.read_remaining_parts(command, response, limit)
    }

    /// Reads the parts of a response that the card announces with 61xx.
    fn read_remaining_parts(
        &mut self,
        command: &Command,
        mut response: Response,
        limit: usize,
    ) -> Result<Response, CardError> {
        let mut data = std::mem::take(&mut response.data);
        let mut parts = 1;
        while response.sw.0 & 0xFF00 == 0x6100 {
            if parts == MAX_PARTS {
                return Err(CardError::malformed(
                    COMMAND,
                    format!("the card announces more than {MAX_PARTS} parts"),
                ));
            }
            parts += 1;
            let le = le_of(low_byte(&response));
            let get_response = Command::new(command.cla & 0x0F & !0x0C, 0xC0, 0, 0).with_le(le);
            let left = limit - data.len();
            response = self.exchange(&get_response.encode(), le.bytes().min(left))?;
            if response.data.is_empty() {
                return Err(CardError::malformed(
                    COMMAND,
                    "the card announces more data but sends none",
                ));
            }
            data.append(&mut response.data);
        }
        Ok(Response {
            data,
            sw: response.sw,
        })
    }

    fn exchange(&mut self, bytes: &[u8], limit: usize) -> Result<Response, CardError> {
        parse(&self.transport.transmit(bytes)?, limit)
    }
}

/// Decodes a response that has at most `limit` bytes of data.
pub(super) fn parse(answer: &[u8], limit: usize) -> Result<Response, CardError> {
    if answer.len() > limit + STATUS {
        return Err(CardError::malformed(
            COMMAND,
            format!(
                "the card sends {} bytes, but at most {limit} were expected",
                answer.len() - STATUS
            ),
        ));
    }
    Response::parse(answer)
        .ok_or_else(|| CardError::malformed(COMMAND, "the response has less than two bytes"))
}

/// Most bytes of data in the response to a command.
pub(super) fn max_response_data(command: &Command) -> usize {
    let expected = command.le.map_or(UNSPECIFIED, Le::bytes);
    if is_protected(command) {
        expected + PROTECTION
    } else {
        expected
    }
}

/// The same command with the length of the response that the card reports. `None` if the command must not be repeated: a PIN would use
/// up another try, a protected command is valid only once, and a command without `Le` has no length to correct.
fn with_le_of(command: &Command, count: u8) -> Option<Command> {
    let short = matches!(command.le, Some(Le::Short | Le::Exactly(_)));
    (short && !command.can_carry_pin() && !is_protected(command))
        .then(|| command.clone().with_le(le_of(count)))
}

/// The length in the second byte of 61xx and 6Cxx.
const fn le_of(count: u8) -> Le {
    match count {
        0 => Le::Short,
        count => Le::Exactly(count),
    }
}

fn low_byte(response: &Response) -> u8 {
    response.sw.0.to_be_bytes()[1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_commands_without_a_pin_are_repeated() {
        let read = Command::new(0x00, 0xB1, 0x2F, 0x02)
            .with_data([0x54, 0x02, 0, 0])
            .with_le(Le::Short);
        let repetition = with_le_of(&read, 8).expect("repeated");
        assert_eq!(repetition.data, read.data);
        assert_eq!(repetition.le, Some(Le::Exactly(8)));

        let mut protected = read.clone();
        protected.cla = 0x0C;
        assert!(with_le_of(&protected, 8).is_none());
        for (cla, ins) in [(0x00, 0x20), (0x00, 0x24), (0x00, 0x2C), (0x80, 0x50)] {
            let pin = Command::new(cla, ins, 0x00, 0x81)
                .with_data(*b"648219")
                .with_le(Le::Short);
            assert!(with_le_of(&pin, 8).is_none(), "{ins:02X}");
        }
    }
}
